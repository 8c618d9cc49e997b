// simple-peer looks for WebRTC with this only where none is given, and it is always given (see webrtc.ts).
module.exports = () => null
