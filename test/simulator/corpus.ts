/** A seed that once showed a mistake. */
export interface Finding {
  /** The `generatorVersion` at which the seed showed it: at another one it stands for another scenario. */
  readonly generator: number
  readonly seed: number
  readonly found: string
  /** Where the mistake is held still when the seed means something else. */
  readonly test: string
}

/** Every seed that ever failed and was understood. Each is run in every test, whatever it stands for now. */
export const corpus: readonly Finding[] = [
  {
    generator: 1,
    seed: 30488,
    found: 'a client that crashed took the answer to its earlier life for one to its new question',
    test: 'test/engine/client.test.ts',
  },
  {
    generator: 1,
    seed: 121,
    found: 'a client whose first greeting was lost never found its gateway',
    test: 'test/engine/client.test.ts',
  },
  {
    generator: 1,
    seed: 148,
    found: 'a learner that was removed before it had any state waited for a leader for ever',
    test: 'test/engine/store.test.ts',
  },
  {
    generator: 1,
    seed: 5003,
    found: 'a learner that was away when it was removed never heard of it',
    test: 'test/engine/store.test.ts',
  },
  {
    generator: 1,
    seed: 30409,
    found: 'a snapshot was named by the term of an entry that another leader had overwritten',
    test: 'test/engine/replica.test.ts',
  },
  {
    generator: 1,
    seed: 20100,
    found: 'the voter that stayed could not win against the longer log of the leader that had been demoted',
    test: 'test/raft/membership.test.ts',
  },
  {
    generator: 1,
    seed: 100052,
    found: 'a newcomer that asked a removed member was refused for good',
    test: 'test/engine/hostile.test.ts',
  },
  {
    generator: 1,
    seed: 50000,
    found: 'the memory network kept the link to a crashed host when it healed',
    test: 'test/transport/memory.test.ts',
  },
  {
    generator: 1,
    seed: 191652862,
    found:
      "a client's write was served again behind the answer that it was not written, from a frame that came twice",
    test: 'test/engine/bounds.test.ts',
  },
  {
    generator: 1,
    seed: 300455,
    found: 'a replica that compacted what it had applied in slices could not campaign before the last slice',
    test: 'test/raft/snapshot.test.ts',
  },
  {
    generator: 1,
    seed: 192266525,
    found: 'a host that was removed while it opened a session was told of a timeout',
    test: 'test/engine/waiting.test.ts',
  },
  {
    generator: 1,
    seed: 400433,
    found: 'a follower waited a minute for a snapshot that it had, and that the log had left behind',
    test: 'test/raft/snapshot.test.ts',
  },
  {
    generator: 2,
    seed: 700006,
    found: "the end of a client's watch was told once, and when that was lost the watch was silent for ever",
    test: 'test/engine/client.test.ts',
  },
  {
    generator: 3,
    seed: 197199568,
    found: 'while commits waited, each write was logged again and again: more than the group could replicate',
    test: 'test/engine/overload.test.ts',
  },
  {
    generator: 3,
    seed: 900000708,
    found:
      'a greeting that came late was believed: a newcomer waited for ever for a store that had been opened',
    test: 'test/engine/peer-book.test.ts',
  },
  {
    generator: 3,
    seed: 900001240,
    found: 'a greeting that came late was believed: a leader slept without a follower, which campaigned',
    test: 'test/engine/peer-book.test.ts',
  },
  {
    generator: 3,
    seed: 900002844,
    found:
      'a candidate asked for votes before its term was durable: after a power cut it led the same term again',
    test: 'test/raft/election.test.ts',
  },
  {
    generator: 5,
    seed: 51322,
    found:
      'a leader whose store was closed and opened waited for ever for the snapshot that it had been sending',
    test: 'test/engine/snapshots.test.ts',
  },
  {
    generator: 5,
    seed: 910000452,
    found: "a client's request ran in the name of its gateway, which had been removed",
    test: 'test/engine/requests.test.ts',
  },
  {
    generator: 6,
    seed: 920001741,
    found: "a client's session read, at another gateway, undid what a failed condition had told",
    test: 'test/engine/client.test.ts',
  },
  {
    generator: 6,
    seed: 930002255,
    found: 'data that was given up twice at once took with it what the host had joined with in between',
    test: 'test/engine/groups.test.ts',
  },
  {
    generator: 6,
    seed: 930004743,
    found: 'a founder that joined anew, and was removed before he got to his joining, never heard of it',
    test: 'test/engine/groups.test.ts',
  },
  {
    generator: 6,
    seed: 208632364,
    found:
      'a false alarm: a vote request waited for a slow disk, on which a leader overwrote the log it spoke of',
    test: 'src/testing/simulator/raft-checker.ts',
  },
  {
    generator: 6,
    seed: 960000821,
    found: 'a false alarm: a host was asked to join anew while it closed',
    test: 'src/testing/simulator/simulated-host.ts',
  },
  {
    generator: 6,
    seed: 960003162,
    found: 'the same false alarm, where the disk of the host that closes is slow',
    test: 'src/testing/simulator/simulated-host.ts',
  },
  {
    generator: 6,
    seed: 229431895,
    found: 'a false alarm: what a storage that closes refused to forget was taken for another replica',
    test: 'src/testing/simulator/host-mirror.ts',
  },
  {
    generator: 9,
    seed: 247,
    found: 'a false alarm: a grant that its session had given up was taken for one that moved the clock',
    test: 'test/simulator/holding-judges.test.ts',
  },
  {
    generator: 9,
    seed: 30195,
    found: "rounding set the group's clock back by a ms when a leader took over",
    test: 'test/engine/group-clock.test.ts',
  },
  {
    generator: 10,
    seed: 2022,
    found: "a client's watch, and what follows an election by one, ended when its gateway's disk failed",
    test: 'test/engine/client-watch.test.ts',
  },
  {
    generator: 10,
    seed: 70003092,
    found:
      'a read of a client whose store was closed went on for ever, and with it whoever followed an election',
    test: 'test/engine/recipes.test.ts',
  },
  {
    generator: 11,
    seed: 238860980,
    found:
      "the group's clock went back where a leader's store was closed, and opened again before all was applied",
    test: 'test/engine/group-clock.test.ts',
  },
]
