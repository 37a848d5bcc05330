import { describe, expect, it } from "vitest";
import type { Clock, Frame, Socket, Timer, Timers } from "../../src/env/env.ts";
import { CLIENT_BUFFERED_BYTES_HIGH, MESSAGES_PER_FRAME_MAX } from "../../src/limits.ts";
import type { ClientOutput } from "../../src/replica/inputs.ts";
import { OutQueue } from "../../src/server/out-queue.ts";
import { SendPump } from "../../src/server/send-pump.ts";
import { jsonCodec } from "../../src/wire/client-codec.ts";

/** A kernel buffer that empties when it is told to. */
class SlowSocket implements Socket {
  readonly subprotocol = "";
  readonly remote = "test";
  readonly frames: Frame[] = [];
  bufferedBytes = 0;
  onFrame = (): void => {};
  onClose = (): void => {};
  onPong = (): void => {};
  #done: (() => void)[] = [];
  readonly #onSend: () => void;

  constructor(onSend: () => void = () => {}) {
    this.#onSend = onSend;
  }

  send(frame: Frame, onDone: () => void = () => {}): void {
    this.frames.push(frame);
    this.bufferedBytes += frame.length;
    this.#done.push(onDone);
    this.#onSend();
  }

  drain(): void {
    this.bufferedBytes = 0;
    for (const done of this.#done.splice(0)) {
      done();
    }
  }

  ping(): void {}
  close(): void {}
  terminate(): void {}
}

class Loop implements Clock, Timers {
  nowMs = 0;
  #soon: (() => void)[] = [];

  monotonicMs = () => this.nowMs;
  wallMs = () => this.nowMs;
  after = (): Timer => ({ cancel: () => {} });
  every = (): Timer => ({ cancel: () => {} });
  soon = (run: () => void): void => {
    this.#soon.push(run);
  };

  get isIdle(): boolean {
    return this.#soon.length === 0;
  }

  turn(): void {
    for (const run of this.#soon.splice(0)) {
      run();
    }
  }
}

function mark(revision: number): ClientOutput {
  return { type: "mark", connection: 1, revision };
}

function queueOf(socket: SlowSocket, pump: SendPump, padding = "") {
  const writable: boolean[] = [];
  const rendered: ClientOutput[] = [];
  const queue = new OutQueue({
    socket,
    codec: jsonCodec,
    messagesPerFrameMax: () => 1024,
    pump,
    render: (output) => {
      rendered.push(output);
      return JSON.stringify({ output, padding });
    },
    onFrame: () => {},
    onWritable: (isWritable) => writable.push(isWritable),
  });
  return { queue, writable, rendered };
}

describe("what waits for a connection", () => {
  it("goes out in one frame, in its order", () => {
    const loop = new Loop();
    const socket = new SlowSocket();
    const pump = new SendPump(loop, loop, () => {});
    const { queue } = queueOf(socket, pump);
    queue.push(mark(1));
    queue.push({ type: "part", part: `{"a":1}` });
    queue.push(mark(2));
    expect(socket.frames).toEqual([]);
    pump.run();
    expect(socket.frames).toHaveLength(1);
    expect(JSON.parse(socket.frames[0] as string)).toMatchObject([
      { output: { revision: 1 } },
      { a: 1 },
      { output: { revision: 2 } },
    ]);
  });

  it("is split where a frame would hold too many messages", () => {
    const loop = new Loop();
    const socket = new SlowSocket();
    const pump = new SendPump(loop, loop, () => {});
    const { queue } = queueOf(socket, pump);
    for (let i = 0; i <= MESSAGES_PER_FRAME_MAX; i += 1) {
      queue.push(mark(i));
    }
    pump.run();
    expect(socket.frames).toHaveLength(2);
  });

  it("is not even encoded while the socket is full, and its watches are held", () => {
    const loop = new Loop();
    const socket = new SlowSocket();
    const pump = new SendPump(loop, loop, () => {});
    const { queue, writable, rendered } = queueOf(
      socket,
      pump,
      "x".repeat(CLIENT_BUFFERED_BYTES_HIGH),
    );
    queue.push(mark(1));
    queue.push(mark(2));
    pump.run();
    loop.turn();
    expect(socket.frames).toHaveLength(1);
    expect(rendered).toHaveLength(1);
    expect(writable).toEqual([false]);
    socket.drain();
    loop.turn();
    expect(socket.frames).toHaveLength(2);
    expect(writable).toEqual([false, true, false]);
  });

  it("does not go out any more after the node has failed", () => {
    const loop = new Loop();
    const socket = new SlowSocket();
    const pump = new SendPump(loop, loop, () => {});
    const { queue } = queueOf(socket, pump);
    queue.push(mark(1));
    pump.stop();
    loop.turn();
    pump.run();
    expect(socket.frames).toEqual([]);
  });

  it("leaves the loop between slices when many connections have something", () => {
    const loop = new Loop();
    const pump = new SendPump(loop, loop, () => {});
    const slow = () => {
      loop.nowMs += 1;
    };
    const sockets = Array.from({ length: 12 }, () => new SlowSocket(slow));
    for (const socket of sockets) {
      queueOf(socket, pump).queue.push(mark(1));
    }
    pump.run();
    const sent = () => sockets.filter((socket) => socket.frames.length > 0).length;
    expect(sent()).toBe(5);
    // What a turn adds meanwhile waits behind; the slice that is due is not brought forward.
    pump.run();
    expect(sent()).toBe(5);
    loop.turn();
    expect(sent()).toBe(10);
    loop.turn();
    expect(sent()).toBe(12);
    expect(loop.isIdle).toBe(true);
  });
});
