/** Stable name of a host: base32 of the SHA-256 of its public key, cut to 20 characters (100 bits). */
export type HostId = string

/** Name of a Raft group, which is the name of its Store. */
export type GroupId = string

/** Random name of a deployment, made once by the founder. Frames of another deployment are dropped and counted. */
export type DeploymentId = string

/** Number of a replica within its group: allocated through the log, from 1, never reused. 0 means "none". */
export type ReplicaId = number

/** A Raft term. A safe integer: never put through a 32-bit operator. */
export type Term = number

/** A position in the log, from 1. A safe integer: never put through a 32-bit operator. */
export type Index = number

/** The index of the entry that wrote a value: the version of the Store. */
export type Revision = Index
