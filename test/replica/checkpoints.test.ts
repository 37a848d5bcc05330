import { describe, expect, test } from "vitest";
import { CHECKPOINT_ENTRIES, CHECKPOINTS_KEPT, ELECTION_TICKS_MIN } from "../../src/limits.ts";
import { Checkpoints } from "../../src/replica/checkpoints.ts";

const three = { voters: ["n1", "n2", "n3"], votersOutgoing: [] };
const [right, wrong, other] = ["a".repeat(16), "b".repeat(16), "c".repeat(16)] as const;

function contestedFor(checkpoints: Checkpoints, ticks: number): void {
  for (let tick = 0; tick < ticks; tick += 1) checkpoints.tick(three);
}

describe("a checkpoint", () => {
  test("is agreed when a majority of voters, this one among them, has one digest", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    expect(checkpoints.agreedIndex).toBe(0);
    checkpoints.heard("n2", 64, right, three);
    expect(checkpoints).toMatchObject({ agreedIndex: 64, doubt: null, divergence: null });
  });

  test("is agreed by the word of a member that decides alone", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, { voters: ["n1"], votersOutgoing: [] });
    expect(checkpoints.agreedIndex).toBe(64);
  });

  test("that the others were at before is judged when this member gets there", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.heard("n2", 128, right, three);
    checkpoints.heard("n3", 128, right, three);
    expect(checkpoints.divergence).toBeNull();
    checkpoints.applied(128, wrong, three);
    expect(checkpoints.divergence).toEqual({ index: 128, own: wrong, agreed: right });
  });

  test("shows the one that differs, and not the majority, that it has diverged", () => {
    const [majority, minority] = [new Checkpoints("n1"), new Checkpoints("n3")];
    majority.applied(64, right, three);
    majority.heard("n3", 64, wrong, three);
    majority.heard("n2", 64, right, three);
    minority.applied(64, wrong, three);
    minority.heard("n1", 64, right, three);
    minority.heard("n2", 64, right, three);
    expect(majority).toMatchObject({ divergence: null, agreedIndex: 64, doubt: null });
    expect(minority.divergence).toEqual({ index: 64, own: wrong, agreed: right });
  });

  test("of one index says nothing of another, in whatever order and how often it comes", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(128, right, three);
    checkpoints.heard("n2", 64, wrong, three);
    checkpoints.heard("n3", 64, wrong, three);
    checkpoints.heard("n3", 128, right, three);
    checkpoints.heard("n3", 128, right, three);
    checkpoints.applied(192, other, three);
    checkpoints.heard("n2", 128, right, three);
    checkpoints.heard("n2", 192, other, three);
    expect(checkpoints).toMatchObject({ agreedIndex: 192, divergence: null, doubt: null });
  });

  test("is not decided by learners and strangers", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    for (const from of ["n4", "n5", "n6"]) checkpoints.heard(from, 64, wrong, three);
    checkpoints.heard("n2", 64, right, three);
    expect(checkpoints).toMatchObject({ agreedIndex: 64, divergence: null });
  });

  test("shows a learner that it differs from the voters", () => {
    const learner = new Checkpoints("n4");
    learner.applied(64, wrong, three);
    learner.heard("n1", 64, right, three);
    learner.heard("n2", 64, right, three);
    expect(learner.divergence).toEqual({ index: 64, own: wrong, agreed: right });
  });

  test("takes a majority of both halves of a joint configuration", () => {
    const joint = { voters: ["n3", "n4", "n5"], votersOutgoing: ["n1", "n2", "n3"] };
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, joint);
    checkpoints.heard("n2", 64, right, joint);
    checkpoints.heard("n3", 64, right, joint);
    expect(checkpoints.agreedIndex).toBe(0);
    checkpoints.heard("n4", 64, right, joint);
    expect(checkpoints.agreedIndex).toBe(64);
  });

  test("is forgotten when enough others have followed, and then judged no more", () => {
    const checkpoints = new Checkpoints("n1");
    for (let at = 1; at <= CHECKPOINTS_KEPT + 1; at += 1) {
      checkpoints.heard("n2", at * CHECKPOINT_ENTRIES, right, three);
      checkpoints.heard("n3", at * CHECKPOINT_ENTRIES, right, three);
    }
    checkpoints.applied(CHECKPOINT_ENTRIES, wrong, three);
    expect(checkpoints.divergence).toBeNull();
    checkpoints.applied(2 * CHECKPOINT_ENTRIES, wrong, three);
    expect(checkpoints.divergence).not.toBeNull();
  });

  test("of a state that was replaced by another member's is void", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, wrong, three);
    checkpoints.installed();
    checkpoints.heard("n2", 64, right, three);
    checkpoints.heard("n3", 64, right, three);
    expect(checkpoints.divergence).toBeNull();
    expect(checkpoints.latest).toBeNull();
  });
});

describe("a state without a majority", () => {
  test("is in doubt at once when every voter has its own", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    checkpoints.heard("n2", 64, wrong, three);
    expect(checkpoints.doubt).toBeNull();
    checkpoints.heard("n3", 64, other, three);
    expect(checkpoints.doubt).toEqual({
      index: 64,
      digests: [
        { member: "n1", digest: right },
        { member: "n2", digest: wrong },
        { member: "n3", digest: other },
      ],
    });
    expect(checkpoints.divergence).toBeNull();
  });

  test("is in doubt when the voter that would decide says nothing for an election timeout", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    checkpoints.heard("n2", 64, wrong, three);
    contestedFor(checkpoints, ELECTION_TICKS_MIN - 1);
    expect(checkpoints.doubt).toBeNull();
    contestedFor(checkpoints, 1);
    expect(checkpoints.doubt).toMatchObject({ index: 64 });
  });

  test("is in no doubt any more when the one that would decide has spoken", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    checkpoints.heard("n2", 64, wrong, three);
    contestedFor(checkpoints, ELECTION_TICKS_MIN);
    checkpoints.heard("n3", 64, right, three);
    expect(checkpoints).toMatchObject({ doubt: null, agreedIndex: 64 });
  });

  test("is in no doubt any more when the one that differs votes no longer", () => {
    const checkpoints = new Checkpoints("n1");
    const [two, one] = [["n1", "n2"], ["n1"]].map((voters) => ({ voters, votersOutgoing: [] }));
    checkpoints.applied(64, right, two ?? three);
    checkpoints.heard("n2", 64, wrong, two ?? three);
    expect(checkpoints.doubt).toMatchObject({ index: 64 });
    checkpoints.tick(two ?? three);
    expect(checkpoints.doubt).toMatchObject({ index: 64 });
    checkpoints.tick(one ?? three);
    expect(checkpoints).toMatchObject({ doubt: null, agreedIndex: 64 });
  });

  test("is in doubt about the latest of them, whatever is told late of an earlier one", () => {
    const checkpoints = new Checkpoints("n1");
    for (const index of [64, 128]) checkpoints.applied(index, right, three);
    for (const index of [128, 64]) {
      checkpoints.heard("n2", index, wrong, three);
      checkpoints.heard("n3", index, other, three);
      expect(checkpoints.doubt).toMatchObject({ index: 128 });
    }
    checkpoints.heard("n3", 64, right, three);
    expect(checkpoints).toMatchObject({ agreedIndex: 64, doubt: { index: 128 } });
  });

  test("is in doubt until a majority agrees, also where it was replaced by another's meanwhile", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    checkpoints.heard("n2", 64, wrong, three);
    checkpoints.heard("n3", 64, other, three);
    checkpoints.installed();
    checkpoints.tick(three);
    expect(checkpoints.doubt).toMatchObject({ index: 64 });
    checkpoints.applied(128, wrong, three);
    checkpoints.heard("n2", 128, wrong, three);
    expect(checkpoints).toMatchObject({ doubt: null, agreedIndex: 128 });
  });

  test("is not looked for where a majority agreed before, whoever votes by now", () => {
    // All of five said of 64 what they have, and three of them agreed. Two of these vote no longer
    // when 128 is contested; the others have a majority at 64 now, for whatever it was worth then.
    const five = { voters: ["n1", "n2", "n3", "n4", "n5"], votersOutgoing: [] };
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, five);
    for (const agreeing of ["n4", "n5"]) checkpoints.heard(agreeing, 64, right, five);
    for (const differing of ["n2", "n3"]) checkpoints.heard(differing, 64, wrong, five);
    checkpoints.applied(128, right, five);
    checkpoints.heard("n2", 128, wrong, five);
    checkpoints.tick(three);
    expect(checkpoints).toMatchObject({ agreedIndex: 64, divergence: null });
  });

  test("is in no doubt for as long as nobody differs", () => {
    const checkpoints = new Checkpoints("n1");
    checkpoints.applied(64, right, three);
    contestedFor(checkpoints, 10 * ELECTION_TICKS_MIN);
    expect(checkpoints.doubt).toBeNull();
  });
});
