import { equalBytes } from '../base/bytes.ts'
import type { HostId } from '../core/types.ts'
import { decode, encode, MalformedError } from '../wire/codec.ts'
import { asArray, asBoolean, asBytes, asText } from '../wire/guards.ts'
import type { Envelope, EnvelopeKind } from './envelope.ts'
import { randomBytes } from './secret.ts'
import { agree, makeOffering, nonceBytes, type OwnOffering, type Session } from './session.ts'

// How two hosts come to a session, by envelopes:
//
//   larger HostId                        smaller HostId
//      call  {nonce, session}  →                            only when the larger one wants a connection
//                              ←  hello {offering, call}
//      welcome {offering, hello} →
//                              ←  ready                     in the session's name
//
// Each side has put a fresh random number into the session's name before it believes in it, so whatever an old
// envelope starts ends without a session. A hello that answers no call of ours is taken as well, because the smaller
// host may want the connection itself; one that answers somebody's old call is not.

/** What a host can do; a path is tried when both can. */
export interface Abilities {
  readonly direct: boolean
  readonly relay: boolean
}

export interface HandshakeOptions {
  readonly self: HostId
  readonly peer: HostId
  readonly abilities: Abilities
  readonly send: (kind: EnvelopeKind, session: string, body: Uint8Array) => void
  /** The session that is in use, '' when there is none. */
  readonly currentSession: () => string
  readonly handlers: HandshakeHandlers
}

export interface HandshakeHandlers {
  /** The peer asks us to connect to it. Only the smaller HostId is asked. */
  called(answer: CallAnswer): void
  /** The peer began to connect to us. Only the larger HostId is greeted. */
  greeted(): void
  established(session: Session, shared: Abilities): void
  refused(reason: string): void
}

export interface CallAnswer {
  readonly nonce: Uint8Array
  /** The peer still holds the session that we hold. */
  readonly isSameSession: boolean
}

const none = new Uint8Array(0)

export class Handshake {
  private readonly options: HandshakeOptions
  /** Our last call, which a hello may answer. */
  private calledWith: Uint8Array | undefined
  /** Our last hello, which a welcome must answer. */
  private offered: OwnOffering | undefined
  /** What our last welcome will come to, once the peer says that it is ready. */
  private awaited: { readonly session: Session; readonly shared: Abilities } | undefined

  constructor(options: HandshakeOptions) {
    this.options = options
  }

  /** Asks the peer, which has the smaller HostId, to greet us. */
  call(): void {
    this.calledWith = randomBytes(nonceBytes)
    this.options.send('call', '', encode([this.calledWith, this.options.currentSession()]))
  }

  /** Begins a session with the peer, which has the larger HostId. `calledWith` is the call that this answers. */
  async greet(calledWith: Uint8Array = none): Promise<void> {
    const offered = await makeOffering()
    this.offered = offered
    const { direct, relay } = this.options.abilities
    this.options.send('hello', '', encode([offered.nonce, offered.publicKey, calledWith, direct, relay]))
  }

  /** Gives up what was begun. */
  reset(): void {
    this.offered = undefined
    this.awaited = undefined
  }

  /** Takes an envelope of the peer, one after the other. Throws MalformedError. */
  async receive(envelope: Envelope): Promise<void> {
    const { self, peer } = this.options
    switch (envelope.kind) {
      case 'call': {
        if (self > peer) throw new MalformedError('handshake: called by the smaller host')
        const [nonce, session] = asArray(decode(envelope.body), 2)
        const isSameSession = asText(session) !== '' && session === this.options.currentSession()
        this.options.handlers.called({ nonce: asBytes(nonce), isSameSession })
        break
      }
      case 'hello':
        if (self < peer) throw new MalformedError('handshake: greeted by the larger host')
        await this.welcome(envelope.body)
        break
      case 'welcome':
        await this.complete(envelope.body)
        break
      case 'ready':
        if (envelope.session === this.awaited?.session.id) this.establish(this.awaited)
        else this.options.handlers.refused('handshake-stale')
        break
      case 'signal':
        throw new MalformedError('handshake: a signal')
    }
  }

  private async welcome(body: Uint8Array): Promise<void> {
    const [nonce, publicKey, calledWith, direct, relay] = asArray(decode(body), 5)
    const answered = asBytes(calledWith)
    if (answered.length > 0 && !(this.calledWith && equalBytes(answered, this.calledWith))) {
      this.options.handlers.refused('handshake-stale')
      return
    }
    const theirs = { nonce: asBytes(nonce), publicKey: asBytes(publicKey) }
    const shared = this.shared(asBoolean(direct), asBoolean(relay))
    const own = await makeOffering()
    const { self, peer, abilities } = this.options
    this.awaited = { session: await agree({ self, peer, own, theirs }), shared }
    this.options.handlers.greeted()
    this.options.send(
      'welcome',
      '',
      encode([theirs.nonce, own.nonce, own.publicKey, abilities.direct, abilities.relay]),
    )
  }

  private async complete(body: Uint8Array): Promise<void> {
    const [greeting, nonce, publicKey, direct, relay] = asArray(decode(body), 5)
    const own = this.offered
    if (own === undefined || !equalBytes(asBytes(greeting), own.nonce)) {
      this.options.handlers.refused('handshake-stale')
      return
    }
    this.offered = undefined
    const theirs = { nonce: asBytes(nonce), publicKey: asBytes(publicKey) }
    const shared = this.shared(asBoolean(direct), asBoolean(relay))
    const { self, peer } = this.options
    const session = await agree({ self, peer, own, theirs })
    this.options.send('ready', session.id, none)
    this.establish({ session, shared })
  }

  private establish(agreed: { readonly session: Session; readonly shared: Abilities }): void {
    this.awaited = undefined
    this.calledWith = undefined
    this.options.handlers.established(agreed.session, agreed.shared)
  }

  private shared(direct: boolean, relay: boolean): Abilities {
    const { abilities } = this.options
    return { direct: abilities.direct && direct, relay: abilities.relay && relay }
  }
}
