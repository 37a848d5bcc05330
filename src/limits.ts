/**
 * Every limit, time and size of Rollcall, in one place, with its unit in its name.
 * They are checked at the edge and refused with an error that names them (`errors.ts`).
 */

// Names and instances.
export const NAME_BYTES_MAX = 128;
/** A host name of 253 bytes, a colon and a port. */
export const ADDR_BYTES_MAX = 259;
export const META_PAIRS_MAX = 64;
export const META_KEY_BYTES_MAX = 128;
export const META_VALUE_BYTES_MAX = 4096;
export const INSTANCE_BYTES_MAX = 16 * 1024;
export const WEIGHT_MAX = 1000;
export const WEIGHT_DEFAULT = 100;
export const REASON_BYTES_MAX = 256;
export const NAMESPACE_DEFAULT = "default";
/** Instances in one register, keys in one deregister. */
export const INSTANCES_PER_COMMAND_MAX = 256;
export const SUBSCRIBES_PER_REQUEST_MAX = 256;
export const WATCHES_PER_CONNECTION_MAX = 1024;

// Sessions.
export const TTL_MS_DEFAULT = 10_000;
export const TTL_MS_MIN = 3_000;
export const TTL_MS_MAX = 300_000;
export const GRACE_MS_DEFAULT = 2_000;
export const GRACE_MS_MIN = 0;
export const SESSION_ID_BYTES = 16;
export const SESSION_SECRET_BYTES_MIN = 16;
export const SESSION_SECRET_BYTES_MAX = 128;
export const UNANSWERED_PER_SESSION_MAX = 1024;
export const TOMBSTONES_MAX = 100_000;
/** Instances that one `expire`, `close` or `reap` command removes. */
export const REMOVALS_PER_COMMAND_MAX = 1000;
/** Sessions ended by one `expire` command. */
export const EXPIRIES_PER_COMMAND_MAX = 64;
/** Expiries a new leader proposes in its first `EXPIRY_PACE_MS` and in each that follows. */
export const EXPIRIES_PER_PACE_MAX = 1024;
export const EXPIRY_PACE_MS = 1000;
/** Breaks of a node's sessions within `MASS_BREAK_WINDOW_MS` past which they keep their TTL. */
export const MASS_BREAK_SESSIONS_MIN = 20;
export const MASS_BREAK_FRACTION = 0.1;
export const MASS_BREAK_WINDOW_MS = 1000;
/**
 * How long a touch that was not confirmed is told again; also the most it can lengthen a lease, but
 * for a client that resumes: that is told until its node has caught up and can answer it.
 */
export const TOUCH_REPEAT_MS = 1000;
/** How long a ping waits for its touch to be confirmed before it is answered unconfirmed. */
export const PONG_WAIT_MS = 1000;

// Raft.
export const TICK_MS = 50;
export const HEARTBEAT_TICKS = 2;
export const ELECTION_TICKS_MIN = 20;
export const ELECTION_TICKS_MAX = 40;
export const ENTRY_COMMANDS_MAX = 1024;
export const ENTRY_BYTES_MAX = 256 * 1024;
export const INFLIGHT_ENTRIES_MAX = 64;
export const INFLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** Log entries in one AppendEntries. */
export const APPEND_BYTES_MAX = 1024 * 1024;
/** Chunks of a snapshot sent to one peer and not yet on its disk. */
export const INFLIGHT_CHUNKS_MAX = 8;

// Requests.
export const CALL_TIMEOUT_MS_DEFAULT = 5_000;
export const CALL_TIMEOUT_MS_MAX = 60_000;
export const CONNECT_TIMEOUT_MS_DEFAULT = 2_000;
export const REQUESTS_PER_CONNECTION_MAX = 1024;
/** Writes that wait in one node, of all its connections. */
export const PENDING_WRITES_MAX = 65_536;
export const PENDING_READS_MAX = 65_536;
/** After which a ReadIndex that was not answered is asked again, under a new id. */
export const READ_INDEX_REPEAT_MS = 500;
/** Entries a leader lets wait for their commit before it packs more. */
export const UNCOMMITTED_ENTRIES_MAX = 256;
/**
 * Entries that a learner may lack and yet become a voter, or a voter and yet be handed the leadership
 * of a leader short of disk: no more than others lack under load.
 */
export const LEARNER_LAG_ENTRIES_MAX = 256;
export const OVERLOADED_RETRY_AFTER_MS = 200;
export const DISK_LOW_RETRY_AFTER_MS = 1_000;

// Frames and connections.
export const CLIENT_FRAME_BYTES_MAX = 1024 * 1024;
export const PEER_FRAME_BYTES_MAX = 8 * 1024 * 1024;
export const MESSAGES_PER_FRAME_MAX = 1024;
export const NESTING_MAX = 16;
/** Protocol versions in a hello. */
export const VERSIONS_PER_HELLO_MAX = 16;
export const TOKEN_BYTES_MAX = 4096;
/** Members of a cluster, learners included, and in a hello between nodes. */
export const MEMBERS_MAX = 64;
/** A learner that is to vote asks the leader as often. */
export const PROMOTION_ASK_MS = 250;
/**
 * For so long a node keeps its link to whom it knows to be removed: longer than a leader speaks to
 * one, and than a link takes to come up again.
 */
export const PEER_LEAVING_MS = 5_000;
/** Peers that one node lets in though no configuration that it has names them. */
export const GUESTS_MAX = 16;
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Without a byte in either direction, an HTTP connection is broken off. */
export const HTTP_SILENCE_MS_MAX = 15_000;
/** Requests of one HTTP connection that wait for their answers; one more breaks it off. */
export const HTTP_PIPELINED_MAX = 32;
/** Of an HTTP page that another node answers with; ten thousand sessions take 3 MB. */
export const HTTP_PAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Entries in one answer to a member that repairs its log. */
export const LOG_PAGE_BYTES_MAX = 1024 * 1024;
/** Such answers that wait to be made: one for each other member of the largest cluster that is meant. */
export const LOG_READS_WAITING_MAX = 8;
/** HTTP pages of a node that wait to be made. */
export const HTTP_PAGES_WAITING_MAX = 64;
/** Descriptors that clients do not get: the data directory's, the links between nodes. */
export const DESCRIPTORS_RESERVED = 256;
export const DESCRIPTORS_MIN = 2 * DESCRIPTORS_RESERVED;
/** A plain client (no subprotocol) may be a person at a keyboard. */
export const PLAIN_FIRST_FRAME_MS_MAX = 60_000;
/** Silence of a client after which the node asks with a WebSocket ping, and then breaks the link. */
export const CLIENT_PROBE_MS = 15_000;
export const CLIENT_SILENCE_MS_MAX = 45_000;
/** Bytes waiting in a client's socket past which its watches wait until it drains. */
export const CLIENT_BUFFERED_BYTES_HIGH = 1024 * 1024;
/** Bytes waiting in a peer's socket past which its link is broken off and dialled again. */
export const PEER_BUFFERED_BYTES_MAX = 32 * 1024 * 1024;
/** A peer of which no connection is left counts as gone when a dial is not answered within this. */
export const PEER_ANSWER_MS = 200;
export const PEER_REDIAL_MS_MIN = 50;
export const PEER_REDIAL_MS_MAX = 1_000;
/** The most that one dial waits for a peer that takes connections and does not answer. */
export const PEER_PATIENCE_MS_MAX = 30_000;
/** Silence on a peer link after which it is closed and dialled again. */
export const PEER_SILENCE_MS_MAX = 3_000;
/** WebSocket pings by which a node keeps a plain client. */
export const PLAIN_PING_MS = 2_000;

// Watches.
export const HISTORY_CHANGES_MAX = 100_000;
export const HISTORY_BYTES_MAX = 32 * 1024 * 1024;
export const MARK_INTERVAL_MS = 2_000;
/** Bytes of collapsed changes a stream may be sent before it gets a RESET instead. */
export const CATCH_UP_BYTES_MAX = 4 * 1024 * 1024;
/** Time a node gives to one slice of sending before it lets peers and clients in. */
export const SLICE_MS_MAX = 5;

// Checkpoints.
/** At every index that this divides, the members compare their states. */
export const CHECKPOINT_ENTRIES = 64;
/** Of each voter; a member that is further behind than they reach joins in later. */
export const CHECKPOINTS_KEPT = 64;
/**
 * Between two tellings of the last checkpoint, for members that may have missed it: so that a lost
 * one is made up for before it is taken for silence, ELECTION_TICKS_MIN later.
 */
export const CHECKPOINT_REPEAT_TICKS = 8;

// Snapshots.
/** Bytes of log since the last snapshot before which none is taken. */
export const SNAPSHOT_LOG_BYTES_MIN = 64 * 1024 * 1024;
/** A chunk is made in one turn of the loop, and goes to disk with the entries of one write. */
export const SNAPSHOT_CHUNK_BYTES = 64 * 1024;
/** Bytes of entries before a snapshot that stay, for followers that are a little behind. */
export const LOG_TAIL_BYTES = 16 * 1024 * 1024;
/** The most that is kept beyond the tail for a follower that still needs it. */
export const LOG_LAGGARD_BYTES_MAX = 64 * 1024 * 1024;

// Backups.
/** How long one may be read from a node: meanwhile it takes no snapshot, and its log grows. */
export const BACKUP_MS_MAX = 600_000;
/** In a snapshot file; a chunk is closed at `SNAPSHOT_CHUNK_BYTES`, or with the item that fills it. */
export const BACKUP_RECORD_BYTES_MAX = 256 * 1024 * 1024;
/**
 * By so much a restore or a recovery raises the revision: more changes than any cluster sees before
 * it. Below 2^53 there is room for two million of them, each with as many changes behind it.
 */
export const LINEAGE_REVISIONS = 2 ** 32;
/** By how much a recovery raises the epoch at most: two of one cluster hardly ever come to the same. */
export const EPOCH_STEP_MAX = 1_000_000;
/** Between two of them a snapshot of the log may begin, which it does at a checkpoint. */
export const BACKUP_REST_MS = 1_000;
/** What a backup waits for another one, or for a snapshot that is being taken. */
export const BACKUP_TURN_MS_MAX = 5_000;

// Storage.
export const MARK_SYNC_MS = 100;
/** Deletions of what is left over in one batch: of cut entries and of old snapshots. */
export const SWEEP_KEYS_MAX = 256;
/** How long nobody writes before deletions get a batch of their own, and between such batches. */
export const SWEEP_IDLE_MS = 50;

/** Between two looks at how much room the disk has. */
export const DISK_LOOK_MS = 250;
/**
 * Room below which a leader hands over and the registry takes no registrations, and below which a
 * node takes no entries. A state ends a quarter above its mark. LevelDB merges some tens of MiB at a
 * time, and INFLIGHT_BYTES_MAX is on the way when a follower's disk becomes full.
 */
export const DISK_LOW_BYTES_DEFAULT = 512 * 1024 * 1024;
export const DISK_FULL_BYTES_DEFAULT = 256 * 1024 * 1024;
/** Of a small disk, where that is less. */
export const DISK_FRACTION_LOW = 0.1;
export const DISK_FRACTION_FULL = 0.05;
export const DISK_FRACTION_RESERVE = 0.05;
/** Kept for a snapshot, or for the start after the disk was filled up, at least. */
export const DISK_RESERVE_BYTES_DEFAULT = 32 * 1024 * 1024;
/** Times the last snapshot that the reserve holds: one to be written, and one for its merging. */
export const DISK_RESERVE_SNAPSHOTS = 2;
/** After a start, before the reserve is made: others wait for the disk then. */
export const DISK_RESERVE_DELAY_MS = 10_000;
/** Written and synced at a time. */
export const DISK_RESERVE_STEP_BYTES = 1024 * 1024;
/** Between two files that are read again, so that a scrub is no load. */
export const SCRUB_PAUSE_MS = 2_000;
/** From the end of one scrub of the whole directory to the next. */
export const SCRUB_REST_MS = 3_600_000;

/** Room on a disk below which `rollcall doctor` says so. */
export const DISK_ROOM_BYTES_LOW = 1024 * 1024 * 1024;
/** How far a clock may be off before `rollcall doctor` says so. */
export const CLOCK_OFF_MS_HIGH = 1_000;

// Leaving.
export const DRAIN_MS_DEFAULT = 10_000;
/** How long a leader that stops waits for another one; a transfer is given up before. */
export const HANDOVER_MS_MAX = 3_000;
export const GOAWAY_SPREAD_MS_DEFAULT = 5_000;
export const RECONNECT_MS_MIN = 100;
export const RECONNECT_MS_MAX = 2_000;

// SDK.
export const SERVER_URL_BYTES_MAX = 1024;
/** A snapshot of a large application is one frame. */
export const NODE_FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Keepalives are a third of the TTL apart, but never further than this: they find dead links. */
export const KEEPALIVE_MS_MAX = 6_000;
/** How long a client waits for a pong beyond the time in which a node answers it for sure. */
export const PONG_MARGIN_MS = 500;
/** A client that waits for an answer and hears nothing for this long pings at once. */
export const SILENCE_PROBE_MS = 500;
/** The most that a client stays with nodes that cannot confirm its session. */
export const UNCONFIRMED_PATIENCE_MS_MAX = 60_000;
/**
 * How long one node may look for a leader. It says that there is none only when the time is over,
 * and another may have one: what is left of a call must be enough to ask there.
 */
export const READ_ATTEMPT_MS_MAX = 2_000;
export const ACK_DELAY_MS = 50;
/** Changes that wait for a slow reader of a watch before they are collapsed. */
export const WATCH_QUEUE_CHANGES_MAX = 256;
export const WATCH_QUEUE_INSTANCES_MAX = 4096;
export const STATUS_EVENTS_MAX = 256;
export const RESTORE_MS_MAX = 30_000;
/** How long a closing client waits for the answer to its bye. */
export const BYE_TIMEOUT_MS_DEFAULT = 2_000;

// Addresses.
export const PORT_DEFAULT = 7420;
export const PEER_PATH = "/peer";
