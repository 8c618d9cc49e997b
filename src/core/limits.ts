// Every bound of the system, unit last, with its reason. A bound that is met is a typed error, never a silent drop.

/** A key is an address, not a document: it is kept in memory on every replica and compared on every access. */
export const keyCharactersMax = 1024

/** A value crosses every replica's link and disk; a larger thing belongs in a blob store, its name in here. */
export const valueBytesMax = 1024 * 1024

/** What a command gives: a value of that size with its key, and others of little size. Sessions keep it. */
export const resultBytesMax = valueBytesMax + 16 * 1024

/** One log entry, encoded. Above this a slow link could not carry an entry within an election timeout. */
export const proposalBytesMax = 8 * 1024 * 1024

/**
 * Largest piece of a frame in one message: every browser takes 64 KiB (RFC 8841 §6.1), and a seed relays as much, with
 * what sealing adds. The cost of a message hardly depends on its size.
 */
export const chunkBytesMax = 60 * 1024

/** The same for snapshots: SCTP without interleaving sends nothing else while such a message is under way. */
export const bulkChunkBytesMax = 16 * 1024

/** One whole frame between hosts, after its chunks are put together: a proposal and its envelope. */
export const frameBytesMax = proposalBytesMax + 64 * 1024

/** What one read of a client may answer: it travels in one frame. */
export const answerBytesMax = proposalBytesMax

/** Keys that one read may name: what `answerBytesMax` holds of small values. */
export const readKeysMax = 10_000

/**
 * Keys that a client asks for in one question, where several calls do at once: more hardly cost less each, and where
 * the answer to some comes while that to others is on its way, neither end stands still.
 */
export const gatheredKeysMax = 128

/** One page of a long scan, by items and bytes: a fraction of what a frame takes, and of what holds up a page. */
export const viewPageItems = 1000
export const viewPageBytes = 256 * 1024

/** Views that one client may hold on a gateway: each keeps alive what was overwritten since. */
export const viewsPerClientMax = 100

/** After so long without a question a gateway lets go of a view; and of any view after the longer time. */
export const viewIdleMs = 60_000
export const viewLifeMs = 60 * 60 * 1000

/** Items (members of arrays and objects, keys) of one encoded message: what a value of `valueBytesMax` can hold. */
export const messageItemsMax = 1024 * 1024 + 1024

/** Arrays and objects inside each other in one value: people stop far below, a stack stops above. */
export const valueDepthMax = 64

/** The same in one encoded message: what a command takes and gives has values inside. */
export const messageDepthMax = valueDepthMax + 8

/** Entries in one MsgApp: enough to fill a link, little enough that a heartbeat behind it is not late. */
export const appendBytesMax = 256 * 1024

/** Entries in one MsgApp: eight bytes of `appendBytesMax` are counted for each. An empty one is sent in one byte. */
export const appendEntriesMax = appendBytesMax / 8

/** MsgApp in flight to one follower, by count and by bytes, before the leader waits for an answer. */
export const inflightMessagesMax = 64
export const inflightBytesMax = 8 * 1024 * 1024

/** Proposed and not yet committed on a leader. Above it proposals fail with SYSTEM_BUSY. */
export const uncommittedBytesMax = 64 * 1024 * 1024

/** Entries applied in one go: a page must stay responsive between two of them. */
export const applyBytesMax = 1024 * 1024

/** Entries in the log of a follower that are committed and wait to be applied; its leader sends the rest again. */
export const unappliedBytesMax = 64 * 1024 * 1024

/** Frames waiting for one peer, per lane. A peer that is slower than this loses frames; Raft copes. */
export const peerQueueBytesMax = 16 * 1024 * 1024

/** Bytes that may wait inside a data channel, so that a heartbeat never stands behind more than this. */
export const channelBufferedBytesMax = 256 * 1024

/**
 * Entries that wait for the own disk, over all groups of a host. Above it a leader takes no proposals (SYSTEM_BUSY)
 * and a follower no entries, which its leader sends again: a disk that hangs must not fill the memory.
 */
export const unwrittenBytesMax = 64 * 1024 * 1024

/** Election timeouts after which a write that is not done is taken for one that never will be: the disk hangs. */
export const hungElectionTimeouts = 2

/** Time that the storage has at the end to finish what it was given. */
export const storageCloseMs = 15_000

/** Writes of one replica's own host that wait for an outcome, by count and bytes. Above it: SYSTEM_BUSY. */
export const pendingProposalsMax = 65_536
export const pendingProposalsBytesMax = 64 * 1024 * 1024

/** Reads of one replica that wait for a leader or for their index. */
export const pendingReadsMax = 65_536

/** Requests that run on one leader while somebody waits: whoever hands out more work than that queues it himself. */
export const leaderRequestsMax = 1024

/** Longest deadline of a call, twelve days: timers of all platforms ring at once where a wait is above 2^31 ms. */
export const deadlineMsMax = 2 ** 30

/** Sessions of one group; the least recently used is evicted, the same one on every replica (Raft thesis §6.3). */
export const sessionsMax = 4096

/** Results kept for one session until the client acknowledges them: the window of commands in flight. */
export const sessionWindowMax = 4096

/** Values inside those results; the oldest are forgotten above it. It holds more than one of the largest values. */
export const sessionWindowBytesMax = 2 * valueBytesMax

/** Time after which an unused session is forgotten: its client is gone, or will open another one. */
export const sessionIdleMs = 24 * 60 * 60 * 1000

/** How seldom the group's clock may be stamped while sessions are in use: they may seem idle for so much longer. */
export const clockStampMs = 60 * 60 * 1000

/**
 * How often the group's clock is stamped while there are leases and nothing else stamps it: time that a leader did not
 * log does not count once it is gone. Less often than that of the first lease asks for, so that idle disks rest.
 */
export const leaseStampMsMin = 1000
export const leaseStampMsMax = 60_000

/** What one entry may write, by keys and by their bytes: all of it is applied, and told to a client in one frame. */
export const transactionKeysMax = 10_000
export const transactionBytesMax = proposalBytesMax

/**
 * Keys that one `txn` may look at. All replicas stand still meanwhile: a tenth of a second on a slow device. As much as
 * one key cost 32 that are only counted, and each 32 bytes of a value that is read: 8 MiB of values at most.
 */
export const transactionLooksMax = 262_144

/** How often `transact` runs its function. Whoever loses more often should take turns, by a lock or a command. */
export const transactTriesDefault = 10

/** Leases of one group. */
export const leasesMax = 65_536

/** Keys that go with one lease: one entry removes them, and at their longest they are within `transactionBytesMax`. */
export const leaseKeysMax = 2048

/** How long a lease may last: less than a second is less than a hidden tab's timers are late by, or an election. */
export const leaseTtlMsMin = 1000
export const leaseTtlMsMax = 24 * 60 * 60 * 1000

/** Of a lock and its kin, unless it is said: a slow election and a hidden tab's late timers are less, and a reload. */
export const leaseTtlMsDefault = 15_000

/** Who holds or waits in one line: entering it counts them. */
export const linePlacesMax = 4096

/** Changes that can be watched from the past, by count and bytes; older ones are COMPACTED. */
export const historyChangesMax = 100_000
export const historyBytesMax = 32 * 1024 * 1024

/** Events that wait for one watcher, and the values in them. Above it the watcher ends with SLOW_CONSUMER. */
export const watchBufferEventsMax = 16_384
export const watchBufferBytesMax = 64 * 1024 * 1024

/** Between two bookmarks: a resume point that old is in the history of a store with 100 000 changes a second. */
export const watchBookmarkMs = 1000

/** Requests of one host to others that wait for an answer, and those of others that it serves: SYSTEM_BUSY above it. */
export const requestsMax = 65_536

/** Numbers of a peer's latest frames, by which one that comes twice is known: more than a network keeps on the way. */
export const replayWindow = 4096

/** Frames that came in during one turn. What is beyond is dropped and counted, as a network would. */
export const inboxBytesMax = 64 * 1024 * 1024

/** Watches of one store that a client may hold: its gateway speaks of each of them once a second. */
export const watchesPerClientMax = 1000

/** Watchers of one store on one host. */
export const watchersMax = 10_000

/**
 * Entries and bytes that make the host take a snapshot, and what stays in the log behind it for slow followers. A
 * snapshot costs as much as the whole state, and a group that is never quiet takes one every few seconds; what lies
 * behind it is read at a restart.
 */
export const snapshotEntriesEvery = 100_000
export const snapshotBytesEvery = 64 * 1024 * 1024
export const trailingEntries = 5_000
export const trailingBytesMax = 16 * 1024 * 1024

/** One piece of a snapshot, in storage and on the bulk lane. */
export const snapshotChunkBytes = 64 * 1024

/** The longest chunk: a full one, and one record more. Bounds what a deflated one may become. */
export const snapshotChunkBytesMax = snapshotChunkBytes + sessionWindowBytesMax

/** Pieces of a snapshot under way to one peer, not yet stored there: enough to fill a link, little enough to hold. */
export const snapshotWindowChunks = 8

/**
 * Time without an answer after which a snapshot is not offered any more, and after which its receiver drops what it
 * has: a reload, or a change of networks, takes less.
 */
export const snapshotPatienceMs = 60_000

/**
 * What a leader keeps of its log for followers that need it, those that a snapshot is under way to above all. Beyond
 * it the log is compacted all the same, and they begin anew with a later snapshot.
 */
export const heldLogBytesMax = 4 * snapshotBytesEvery

/** A snapshot that is being received, whole. The state lives in memory, so this bounds the store as well. */
export const snapshotBytesMax = 1024 * 1024 * 1024

/** Connections being made at once, and connections held. A browser slows down well before its limit of 500. */
export const dialsMax = 8
export const peersMax = 64

/** Voters of one group. More would only add acknowledgements to wait for (Raft thesis §11.2 measures up to nine). */
export const votersMax = 9

/** Sets by which a rule decides: so many of nine voters can be such that none contains another one (Sperner). */
export const quorumSetsMax = 126

/** How much one voter may count. Two hosts of which one weighs so much more are one that decides alone. */
export const voterWeightMax = 100

/** Time without any sign of life from a peer after which its link is closed. */
export const peerSilenceMs = 5_000
export const peerPingMs = 1_000

/** Time a direct connection may take to come up before it is given up and dialled anew. */
export const dialTimeoutMs = 12_000

/** Time that closing a link waits for what it still holds to leave. */
export const drainMs = 500

/** Time in which the application must say whether a peer may talk to this host; it may have to ask a server. */
export const authorizeMs = 5_000

/** Frames of a peer that is being asked about: its greeting and first questions. Whatever is lost is sent again. */
export const heldFrameBytesMax = 256 * 1024

/** Bad frames from one peer before its channel is closed. */
export const badFramesMax = 16

/** Members of one group: each one is a line of the replicated member table and a follower that the leader feeds. */
export const membersMax = 256

/** Replicas remembered for having made room. Who is away while so many others do is told that it was removed. */
export const evictedMax = 4 * membersMax

/** Silence after which a learner gives way to a newcomer of a full group: far longer than to load a page anew. */
export const silentMs = 60_000

/** Hosts of which is remembered when they were heard last: more than can be members. */
export const lastHeardMax = 2 * membersMax

/** Body of one HTTP request: a value of the largest size, and room for what JSON adds to it by escaping. */
export const httpBodyBytesMax = 2 * valueBytesMax

/** Signals that wait for WebRTC to load: a description, and a candidate for each address of the other end. */
export const earlySignalsMax = 64

/** Connections of one seed: browsers hold one for signaling and a few for the page. */
export const httpConnectionsMax = 2048

/** Watches over HTTP of one seed. Whoever needs more takes a host of their own. */
export const httpWatchersMax = 256

/** Bytes that may wait for a watching client, and how long it may take to read them before it is cut off. */
export const httpWatchBufferedBytesMax = 1024 * 1024
export const httpWatchDrainMs = 10_000

/** Silence after which a watch sends a comment: proxies close what is idle for 30 to 60 seconds. */
export const httpHeartbeatMs = 15_000

/** Entries and bytes in one answer of a scan over HTTP; the rest is asked for behind the last key. */
export const httpScanEntriesMax = 10_000
export const httpScanBytesMax = 16 * 1024 * 1024

/** A file of the write-ahead log. It is deleted only as a whole; each one costs a few milliseconds. */
export const logFileBytes = 16 * 1024 * 1024

/**
 * Zeros ahead of the end of the log: a write into them changes no file size, which is half of what a durable write of
 * 60 KB costs (0.12 of 0.24 ms here, more with a journal). Many times larger than such a write, so that few go beyond.
 */
export const logPaddingBytes = 1024 * 1024

/** Reads that wait on a leader for its heartbeats. A replica asks once a turn: many turns of many replicas. */
export const leaderReadsMax = 16_384

/**
 * Entries of which a replica knows at least what came of them, in four bytes each, to name the first one that had
 * another outcome elsewhere; and the entries after which replicas compare, several times as often.
 */
export const chainRingEntriesMax = 2048
export const comparedEntriesMax = 512
