/** The cluster of one run. Its own file, because the file of a measured process starts a host when it is imported. */
export const benchCluster = { cluster: 'bench', secret: 'a secret for one run' } as const
