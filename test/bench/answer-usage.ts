/** In a measured process: tells its parent on demand how much processor time it has used so far. */
export function answerUsage(): void {
  process.on('message', (message: { readonly type: string }) => {
    if (message.type !== 'usage') return
    const { user, system } = process.cpuUsage()
    process.send?.({ type: 'used', us: user + system })
  })
}
