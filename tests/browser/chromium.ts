/** A headless Chromium, controlled by its own protocol: https://chromedevtools.github.io/devtools-protocol/ */

type Params = Readonly<Record<string, unknown>>;
// deno-lint-ignore no-explicit-any -- the protocol's answers are as many as its methods
type Answer = any;

/** The keys that the test presses: their `windowsVirtualKeyCode`, and the text that they type. */
const KEYS: Readonly<Record<string, { readonly code: number; readonly text?: string }>> = {
  Tab: { code: 9 },
  " ": { code: 32, text: " " },
  Enter: { code: 13, text: "\r" },
  ArrowLeft: { code: 37 },
  ArrowRight: { code: 39 },
};

export interface Page {
  open(url: string): Promise<void>;
  /** Returns the value of an expression in the page. */
  evaluate(expression: string): Promise<Answer>;
  /** Changes the width of its window. */
  resize(width: number): Promise<void>;
  /** Changes the medium of the page, if one is named, and features that a reader may prefer. */
  emulate(media: "" | "print", features: Readonly<Record<string, string>>): Promise<void>;
  /** Returns the page as it is printed, as base64. */
  print(): Promise<string>;
  /** Makes it the visible tab of its window. */
  show(): Promise<void>;
  press(key: keyof typeof KEYS): Promise<void>;
  /** Drags a mouse or a finger over an element, between two places given as shares of its width and height. */
  drag(selector: string, by: "mouse" | "touch", places: readonly (readonly [x: number, y: number])[]): Promise<void>;
  /** Returns a picture of the first element that a selector finds, as base64. */
  picture(selector: string): Promise<string>;
  /** Exceptions of the page, and errors that it logged. */
  readonly problems: string[];
  /** Addresses that the page requested. */
  readonly requests: string[];
}

export interface PageOptions {
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
  /** True to open a tab in the last window, which hides the window's other tabs; else the page gets a new window. */
  readonly isTab?: boolean;
}

export class Chromium implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Set<(session: string, method: string, params: Answer) => void>();
  #last = 0;

  private constructor(child: Deno.ChildProcess, folder: string, socket: WebSocket) {
    [this.#child, this.#folder, this.#socket] = [child, folder, socket];
    socket.onmessage = ({ data }) => {
      const { id, result, error, sessionId, method, params } = JSON.parse(data);
      if (id === undefined) return this.#listeners.forEach((listen) => listen(sessionId, method, params));
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(error.message));
    };
  }

  static async start(path: string, flags: readonly string[] = []): Promise<Chromium> {
    const folder = await Deno.makeTempDir({ prefix: "noiseline-chromium-" });
    const args = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", `--user-data-dir=${folder}`, ...flags];
    const child = new Deno.Command(path, { args, stdout: "null", stderr: "piped" }).spawn();
    const { promise: address, resolve } = Promise.withResolvers<string>();
    (async () => {
      let said = "";
      // Read to the end, so that Chromium never blocks on a full pipe.
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        const found = /ws:\/\/\S+(?=\s)/.exec(said += text);
        if (found !== null) resolve(found[0]);
      }
    })();
    const socket = new WebSocket(await address);
    await new Promise((resolve) => socket.onopen = resolve);
    return new Chromium(child, folder, socket);
  }

  #ask(method: string, params: Params = {}, sessionId?: string): Promise<Answer> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async newPage({ width, height, colorScheme, isTab = false }: PageOptions): Promise<Page> {
    const { targetId } = await this.#ask("Target.createTarget", { url: "about:blank", newWindow: !isTab });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    const ask = (method: string, params?: Params) => this.#ask(method, params, sessionId);
    const [problems, requests]: [string[], string[]] = [[], []];
    let loaded = Promise.withResolvers<void>();
    this.#listeners.add((session, method, params) => {
      if (session !== sessionId) return;
      if (method === "Page.loadEventFired") loaded.resolve();
      if (method === "Runtime.exceptionThrown") problems.push(params.exceptionDetails.exception.description);
      if (method === "Log.entryAdded" && params.entry.level === "error") problems.push(params.entry.text);
      if (method === "Runtime.consoleAPICalled" && params.type === "error") problems.push(JSON.stringify(params.args));
      if (method === "Network.requestWillBeSent") requests.push(params.request.url);
    });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await ask(`${domain}.enable`);
    const resize = (width: number) =>
      ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    const emulate: Page["emulate"] = (media, features) =>
      ask("Emulation.setEmulatedMedia", {
        media,
        features: Object.entries(features).map(([name, value]) => ({ name, value })),
      });
    await resize(width);
    await emulate("", { "prefers-color-scheme": colorScheme });
    const evaluate = async (expression: string) => {
      const { result, exceptionDetails } = await ask("Runtime.evaluate", { expression, returnByValue: true });
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.exception.description}`);
      return result.value;
    };
    return {
      problems,
      requests,
      evaluate,
      resize,
      emulate,
      print: async () => (await ask("Page.printToPDF", { printBackground: true })).data,
      async open(url) {
        loaded = Promise.withResolvers<void>();
        await ask("Page.navigate", { url });
        await loaded.promise;
      },
      show: () => ask("Page.bringToFront"),
      async press(key) {
        const { code, text } = KEYS[key]!;
        const common = { key, windowsVirtualKeyCode: code };
        await ask("Input.dispatchKeyEvent", { type: "keyDown", ...common, ...text === undefined ? {} : { text } });
        await ask("Input.dispatchKeyEvent", { type: "keyUp", ...common });
      },
      async drag(selector, by, places) {
        const { x, y, width, height } = await evaluate(`(() => {
          const element = document.querySelector(${JSON.stringify(selector)});
          element.scrollIntoView({ block: "center", behavior: "instant" });
          return element.getBoundingClientRect().toJSON();
        })()`);
        const points = places.map(([across, down]) => ({ x: x + across * width, y: y + down * height }));
        const mouse = (type: string, point: object) =>
          ask("Input.dispatchMouseEvent", { type, ...point, button: "left", buttons: 1, clickCount: 1 });
        const touch = (type: string, touchPoints: object[]) => ask("Input.dispatchTouchEvent", { type, touchPoints });
        for (const [i, point] of points.entries()) {
          if (by === "mouse") await mouse(i === 0 ? "mousePressed" : "mouseMoved", point);
          else await touch(i === 0 ? "touchStart" : "touchMove", [point]);
        }
        await (by === "mouse" ? mouse("mouseReleased", points.at(-1)!) : touch("touchEnd", []));
      },
      async picture(selector) {
        // An element out of view would be pictured in a larger window, in which the page may be laid out otherwise.
        const { captureBeyondViewport, ...clip } = await evaluate(`(() => {
          const element = document.querySelector(${JSON.stringify(selector)});
          element.scrollIntoView({ block: "center", behavior: "instant" });
          const { x, y, width, height } = element.getBoundingClientRect();
          const captureBeyondViewport = height > innerHeight;
          return { x: x + scrollX, y: y + scrollY, width, height, scale: 1, captureBeyondViewport };
        })()`);
        return (await ask("Page.captureScreenshot", { clip, captureBeyondViewport })).data;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    await this.#ask("Browser.close");
    await Promise.all([closed, this.#child.status]);
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The paths where distributions install it. */
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Returns the path of Chromium. If there is none, prints so and returns undefined: the test is then skipped. */
export async function findChromium(): Promise<string | undefined> {
  for (const path of CHROMIUM) {
    if ((await Deno.stat(path).catch(() => undefined)) !== undefined) return path;
  }
  // deno-lint-ignore no-console -- a skip must be seen
  console.log("skipped: there is no Chromium (apt-get install chromium)");
  return undefined;
}
