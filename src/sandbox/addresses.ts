/** Where the two stores are, as AutoMem's own environment variables say it. */
export interface StoreAddresses {
  graph: {
    host: string;
    port: number;
    username?: string | undefined;
    password?: string | undefined;
    tls?: boolean | undefined;
    /** PEM file of a private certificate authority. */
    caFile?: string | undefined;
    /** Key of the graph: FALKORDB_GRAPH. */
    name: string;
  };
  vectors: {
    /** Base URL without a slash at its end. */
    url: string;
    apiKey?: string | undefined;
    /** QDRANT_COLLECTION. */
    collection: string;
  };
}
