// All that simple-peer asks of it: to note the code on the error.
module.exports = (error: Error, code: string) => Object.assign(error, { code })
