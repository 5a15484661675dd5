import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { digestPython, pythonTokens } from "../../../../engine/keys/python_syntax.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const digestOf = (text: string) => digestPython(bytesOf(text))?.digest;

const CODE = `import math
from a.b import (c,
                 d)

@c.e
class P(d):
    """A text. # no comment"""
    x: int = 0x1F

    async def f(self, a, /, *, b=1.5e-3, **k) -> str:
        if a := b:
            return f"{a!r:>{b}} {k['#']} {{" rb'\\n' 'it''s'
        elif a is not b and a != 1_000.:
            pass; a **= -2
        return \\
            a[1:, ...]


print(math.pi)  # end
`;

const SAME: Readonly<Record<string, string>> = {
  "a comment": CODE.replace("# end", "# another"),
  "no comment": CODE.replace("  # end", ""),
  "a comment in brackets": CODE.replace("(c,", "(c,  # why\\n  # and more\n"),
  "a comment at the margin of a block": CODE.replace("        elif", "# here\n        # there\n        elif"),
  "blank lines": CODE.replace("\n\n\n", "\n").replace("class", "\n \n\t\n# x\nclass"),
  "the layout of brackets": CODE.replace("(c,\n                 d)", "( c ,d\n)"),
  "spaces around operators": CODE.replace("a, /, *, b=1.5e-3", "a,/,*,b = 1.5e-3").replace("a := b", "a:=b"),
  "a continued line": CODE.replace("return \\\n            a", "return a").replace("x: int", "x: \\\n  int"),
  "another indentation": CODE.replaceAll("    ", "\t"),
  "indentation of its own for each block": CODE.replace("            pass; a", "               pass; a"),
  "ends of lines of Windows": CODE.replaceAll("\n", "\r\n"),
  "a form feed": CODE.replace("\n\n\n", "\n\f\n"),
  "no end of the last line": CODE.trimEnd(),
  "an encoding that it has anyway": `# -*- coding: utf-8 -*-\n${CODE}`,
};

const OTHER: Readonly<Record<string, string>> = {
  "a docstring": CODE.replace("A text", "Another text"),
  "a comment in a docstring": CODE.replace("# no comment", ""),
  "a name": CODE.replace("c.e", "c.f"),
  "a number": CODE.replace("1.5e-3", "1.5e-4"),
  "how a number is written": CODE.replace("0x1F", "31"),
  "an operator": CODE.replace("**=", "*="),
  "the prefix of a string": CODE.replace("rb'", "b'"),
  "the text in an f-string": CODE.replace(" {k[", "  {k["),
  "a field of an f-string": CODE.replace("{a!r", "{a!s"),
  "strings that are joined": CODE.replace("'it''s'", "'it' 's '"),
  "the end of a block": CODE.replace("        return \\", "    return \\"),
  "a statement in a block": CODE.replace("pass; a **=", "pass\n        a **="),
  "two statements": CODE.replace("import math\nfrom", "import math; from"),
  "words that a space divides": CODE.replace("is not", "isnot"),
  "a decorator": CODE.replace("@c.e\n", ""),
  "a line that is a comment now": CODE.replace("print(", "# print("),
  "a colon": CODE.replace("a[1:, ...]", "a[1, ...]"),
};

Deno.test("digestPython() stays the same when comments or layout change", () => {
  assert(digestOf(CODE) !== undefined);
  for (const [what, text] of Object.entries(SAME)) {
    assertNotEquals(text, CODE, what);
    assertEquals(digestOf(text), digestOf(CODE), what);
  }
});

Deno.test("digestPython() changes with everything that Python's parser reads", () => {
  const digests = new Map([["as it was", digestOf(CODE)]]);
  for (const [what, text] of Object.entries(OTHER)) {
    assert(digestOf(text) !== undefined, what);
    assertEquals([...digests].filter(([, digest]) => digest === digestOf(text)), [], what);
    digests.set(what, digestOf(text));
  }
});

Deno.test("digestPython() is pinned: another digest makes all Python programs run again", () => {
  assertEquals(digestOf(CODE), "afc9d91fcaa8bb47bd0d71ffd4c5eab99172e09de36d9419fd963f1dacdef8db");
});

Deno.test("digestPython() leaves to the bytes what does not parse, and what is not UTF-8", () => {
  const texts = [
    ...["(", ")", "(]", "'a", '"""a', "f'{a'", "f'{a:{b'", "x = $1", "a ? b", "'a\nb'", "if a:\n    b\n  c\n", "\\"],
    ...["if a:\n\tb\n        c\n", "a\0", "a = 1 # b\rc = 2\n", "\ufeffa = 1\n", "  \\\n  a\n", "f'{a # b}'"],
    ...["# coding: latin-1\na = 1\n", "#!/bin/sh\n# vim: fileencoding=cp1252 :\n", "a = 1  # type: int\n"],
    ...["print(__file__)", `a = ${"1 + ".repeat(1 << 18)}1`],
  ];
  for (const text of texts) assertEquals(digestPython(bytesOf(text)), undefined, text.slice(0, 40));
  assertEquals(digestPython(new Uint8Array([35, 0xe9, 10])), undefined);
});

Deno.test("pythonTokens() finds the ends of strings in fields, as Python 3.12 does", () => {
  const whole = [
    `f"{a["b"]}"`,
    `f'{f'{f'{1}'}'}'`,
    `f"{a:'>10}"`,
    `f"{a:{b["c"]}}"`,
    `f"\\{a["#"]}"`,
    `rf"\\" {a}"`,
    `f"{{a["`,
    `f"{a:=^{b}}"`,
    `f"""{a["""b"""]}\n"""`,
    `f"{(lambda x: {1: "}"})(2)}"`,
    `f"\\N{DASH}"`,
    `t"{a}"`,
    `Rb"\\""`,
    `u'a'`,
  ];
  for (const text of whole) assertEquals([...pythonTokens(`${text} # "`)], [text, 0]);
});

Deno.test("digestPython() knows programs that may read the text of their files", () => {
  const isReader = (text: string) => digestPython(bytesOf(text))?.isReader;
  const readers = [
    ...["import inspect", "from linecache import getline", "import tokenize as t", "import traceback", "import numba"],
    ...["exec('a')", "x = eval", "compile(a, b, c)", "builtins.eval(a)", "torch.jit.script(f)", "torch.compile(m)"],
    ...["from torch import jit", "model.compile()", "import triton", "f'{eval(a)}'", "f'{__file__}'", "open('a.py')"],
    ...["open(sys.argv[0])", "sys._getframe()", "f.__code__.co_firstlineno", "import cloudpickle"],
  ];
  for (const text of readers) assertEquals(isReader(text), true, text);
  const others = [
    ...["model.eval()", "re.compile('a')", "'inspect'", "# inspect", '"""eval"""', "jax.jit(f)", "self.exec()"],
    ...["evaluate(a)", "f'{a.evaluate()}'", "print('eval')", "sys.argv[1]", "'import a.py or b'"],
  ];
  for (const text of others) assertEquals(isReader(text), false, text);
});
