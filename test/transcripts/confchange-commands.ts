import {
  changeSimply,
  enterJoint,
  leaveJoint,
  type MembershipRefusal,
  type MembershipResult,
} from '../../src/core/raft/membership.ts'
import { emptyConfState } from '../../src/core/raft/memory-log.ts'
import { type Progress, progressAfter } from '../../src/core/raft/progress.ts'
import { describeProgress as progressStatus } from '../../src/core/raft/raft-node.ts'
import type { ConfState } from '../../src/core/raft/types.ts'
import { parseFlag, type Step } from './datadriven.ts'
import { describeConf, describeProgress, parseSteps } from './describe.ts'

const refusals: Partial<Record<MembershipRefusal, string>> = {
  'already-joint': 'config is already joint',
  'in-joint': "can't apply simple config change in joint config",
  'not-joint': "can't leave a non-joint config",
  'no-voters': "can't make a zero-voter config joint",
  'removes-all-voters': 'removed all voters',
  'changes-many-voters': 'more than one voter changed without entering joint config',
}

/** Runs the commands of confchange/*.txt on one configuration, which starts empty. */
export class ConfchangeCommands {
  private conf: ConfState = emptyConfState
  private progress: readonly Progress[] = []
  /** Counts the commands: new replicas are probed from the last index on. */
  private lastIndex = 0

  run(step: Step): string {
    try {
      return this.change(step)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      this.lastIndex++
    }
  }

  private change(step: Step): string {
    const result = this.compute(step)
    if (typeof result === 'string') return result
    if (result.type === 'refused') return refusals[result.reason] ?? result.reason
    this.conf = result.change.conf
    this.progress = progressAfter(this.progress, result.change, {
      next: Math.max(this.lastIndex, 1),
      window: { messagesMax: 10, bytesMax: Number.POSITIVE_INFINITY },
    })
    const lines = this.progress.map(each => describeProgress(progressStatus(each)))
    return [describeConf(this.conf), ...lines].join('\n')
  }

  private compute(step: Step): MembershipResult | string {
    const steps = parseSteps(step.input)
    switch (step.command) {
      case 'simple':
        return changeSimply(this.conf, steps)
      case 'enter-joint': {
        const autoLeave = step.arguments.find(argument => argument.key === 'autoleave')?.values[0]
        return enterJoint(this.conf, steps, autoLeave !== undefined && parseFlag(autoLeave))
      }
      case 'leave-joint':
        return steps.length > 0 ? 'this command takes no input' : leaveJoint(this.conf)
      default:
        return 'unknown command'
    }
  }
}
