/** The part of csv-parse that is used. The package's own types would bring in Node's. */
export declare function parse(
  text: string,
  options: {
    readonly delimiter: string;
    readonly bom: true;
    readonly columns: true;
    readonly info: true;
    readonly skip_empty_lines: true;
  },
): { readonly info: { readonly lines: number }; readonly record: Readonly<Record<string, string>> }[];
