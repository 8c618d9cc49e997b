// Every browser that has WebRTC data channels as we need them has this.
module.exports = queueMicrotask
