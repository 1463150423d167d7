// Types of the file that the gateway serves at this place: the npm package's own module, embedded unchanged.
export * from 'maplibre-gl';
