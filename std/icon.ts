/** The icon of pages: noise that becomes a disc, in the colour of links. */
export const ICON = `data:image/svg+xml,${
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="#0072b2"><path d="M1 2h2v2H1zM5 1h1v1H5zM2 6h1v2H2z' +
      'M4 12h2v2H4zM1 11h1v2H1zM4 8h2v1H4zM5 4h1v2H5z"/><circle cx="10.5" cy="8" r="5"/></svg>',
  )
}`;
