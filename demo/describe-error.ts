import { QuorateError } from '../src/browser.ts'

/** What an error means for the person at the page. The code stays visible: it is what programs go by. */
export function describeError(error: unknown): string {
  if (!(error instanceof QuorateError)) return error instanceof Error ? error.message : String(error)
  return `${explain(error)} (${error.code})`
}

function explain(error: QuorateError): string {
  switch (error.code) {
    case 'NO_LEADER':
      return 'No majority of the voters can be reached, so nothing was written. It goes on by itself when one can'
    case 'TIMEOUT':
      return 'There was no answer in time, and nothing was changed'
    case 'OUTCOME_UNKNOWN':
      return 'The write was handed on, but no answer came back: look before you try again'
    case 'UNREACHABLE':
      return 'Neither the seed nor a member can be reached'
    case 'UNAUTHORIZED':
      return 'The secret is not that of the cluster'
    case 'REMOVED':
      return 'This host was removed from the store'
    case 'LAST_VOTER':
      return 'The last voter cannot go: nobody could decide anything any more'
    default:
      return error.message.replace(/\.$/, '')
  }
}
