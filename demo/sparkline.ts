/**
 * Draws values as a line over time, the last one marked. The scale begins at zero, so that calm looks calm.
 */
export function drawSparkline(canvas: HTMLCanvasElement, values: readonly number[], slots: number): void {
  const { clientWidth: width, clientHeight: height } = canvas
  const context = canvas.getContext('2d')
  if (context === null || width === 0) return
  const ratio = devicePixelRatio
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  context.scale(ratio, ratio)
  const style = getComputedStyle(canvas)
  const accent = style.getPropertyValue('--accent')

  context.strokeStyle = style.getPropertyValue('--line')
  context.beginPath()
  context.moveTo(0, height - 0.5)
  context.lineTo(width, height - 0.5)
  context.stroke()
  if (values.length === 0) return

  const margin = 5
  const most = Math.max(...values, 1)
  const step = (width - 2 * margin) / Math.max(slots - 1, 1)
  const x = (i: number) => width - margin - (values.length - 1 - i) * step
  const y = (value: number) => height - margin - (value / most) * (height - 2 * margin)
  const line = new Path2D()
  for (const [i, value] of values.entries()) line.lineTo(x(i), y(value))
  const area = new Path2D(line)
  area.lineTo(x(values.length - 1), height)
  area.lineTo(x(0), height)
  context.globalAlpha = 0.14
  context.fillStyle = accent
  context.fill(area)
  context.globalAlpha = 1
  context.strokeStyle = accent
  context.lineWidth = 1.75
  context.lineJoin = 'round'
  context.stroke(line)
  context.fillStyle = accent
  context.beginPath()
  context.arc(x(values.length - 1), y(values.at(-1) ?? 0), 3.5, 0, 2 * Math.PI)
  context.fill()
}
