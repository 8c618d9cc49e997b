/** Put in by the build, from package.json. */
declare const __QUORATE_VERSION__: string | undefined

/** Version of this library, or 'source' where it runs unbuilt. */
export const version: string = typeof __QUORATE_VERSION__ === 'string' ? __QUORATE_VERSION__ : 'source'
