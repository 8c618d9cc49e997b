import type { Member } from '../src/browser.ts'
import { drawCluster } from './cluster-diagram.ts'
import {
  describeConnection,
  describeQuorum,
  describeRole,
  type HostView,
  isStandingBy,
  viewCluster,
} from './cluster-view.ts'
import { byId, element, keyedRows } from './dom.ts'
import { hostLabel, shortName } from './host-name.ts'
import { Message } from './message.ts'
import type { Session } from './session.ts'

type Change = 'promote' | 'demote' | 'remove' | 'transferLeadership'

/** Who is in the cluster, how this tab reaches them, and what may be done about it. */
export class ClusterPanel {
  private readonly session: Session
  private readonly message = new Message('members-message')
  private readonly diagram = byId('diagram', HTMLElement)
  private readonly quorum = byId('cluster-quorum', HTMLElement)
  private readonly list: (hosts: readonly HostView[]) => void
  /** The members as a client was told: it has no replica to look them up in. */
  private asked: readonly Member[] = []
  private drawn = ''

  constructor(session: Session) {
    this.session = session
    this.list = keyedRows(
      byId('members', HTMLElement),
      ({ hostId }: HostView) => hostId,
      ({ hostId }) => new MemberRow(hostId, change => void this.change(change, hostId)),
    )
  }

  render(): void {
    const { host, store } = this.session
    const { role, members, leader } = store.status()
    const hosts = viewCluster(host.info(), role === 'client' ? this.asked : members, leader)
    this.list(hosts)
    this.quorum.textContent = describeQuorum(hosts)
    // A picture that is drawn anew for nothing loses the tooltip that somebody is reading.
    const content = JSON.stringify(hosts)
    if (content === this.drawn) return
    this.drawn = content
    this.diagram.replaceChildren(drawCluster(hosts))
  }

  /** Asks who the members are, where this tab cannot know it by itself. */
  async ask(): Promise<void> {
    const { store } = this.session
    if (store.status().role === 'client') this.asked = await store.members()
  }

  private change(change: Change, hostId: string): Promise<boolean> {
    return this.message.around(async () => {
      this.message.say(`${asDoing[change]} ${hostId} …`)
      this.message.say(await this.carryOut(change, hostId), 'good')
      this.render()
    })
  }

  /** What came of it, in words. */
  private async carryOut(change: Change, hostId: string): Promise<string> {
    const { store } = this.session
    if (change === 'transferLeadership') {
      await store.transferLeadership(hostId)
      return `Done: ${shortName(hostId)} leads`
    }
    const members = await store[change](hostId)
    return members.some(member => member.hostId === hostId && isStandingBy(member))
      ? 'Noted. It stands by until another one is promoted: an even number of voters tolerates no more failures'
      : `Done: ${members.length} members`
  }
}

const asDoing: Readonly<Record<Change, string>> = {
  promote: 'Promoting',
  demote: 'Demoting',
  remove: 'Removing',
  transferLeadership: 'Handing leadership to',
}

class MemberRow {
  readonly node = element('li')
  private readonly tags = element('span')
  private readonly what = element('span', { class: 'what' })
  private readonly vote: HTMLButtonElement
  private readonly lead: HTMLButtonElement
  private readonly actions: HTMLElement
  private wanted: HostView['wanted']

  constructor(hostId: string, change: (change: Change) => void) {
    const name = hostLabel(hostId)
    this.vote = element('button', { class: 'small' })
    this.vote.addEventListener('click', () => change(this.wanted === 'voter' ? 'demote' : 'promote'))
    this.lead = element('button', { class: 'small' }, 'Let lead')
    this.lead.addEventListener('click', () => change('transferLeadership'))
    const remove = element('button', { class: 'small danger' }, 'Remove')
    remove.addEventListener('click', () => {
      if (confirm(`Remove ${hostId} for good? It does not come back by itself.`)) change('remove')
    })
    this.actions = element('div', { class: 'actions' }, this.lead, this.vote, remove)
    for (const button of [this.lead, this.vote, remove])
      button.setAttribute('aria-describedby', `host-${hostId}`)
    name.id = `host-${hostId}`
    const who = element('div', { class: 'who' }, name, this.tags, this.what)
    this.node.append(who, this.actions)
  }

  update(view: HostView): void {
    this.wanted = view.wanted
    this.actions.hidden = view.role === 'guest'
    this.lead.hidden = view.role !== 'voter' || view.isWitness || view.isLeader
    this.vote.textContent = view.wanted === 'voter' ? 'Demote' : 'Promote'
    const tags = [
      view.isSelf ? element('span', { class: 'tag self' }, 'you') : undefined,
      view.isLeader ? element('span', { class: 'tag leader' }, 'leader') : undefined,
      element('span', { class: 'tag' }, describeRole(view)),
    ]
    this.tags.replaceChildren(...tags.filter(tag => tag !== undefined).flatMap(tag => [tag, ' ']))
    this.what.textContent = describeConnection(view)
  }
}
