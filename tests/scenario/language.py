"""What stands in a scenario: lines become steps, conditions are judged. Nothing here touches a disk or a server."""
import dataclasses
import json
import pathlib
import re

CONDITION = r"(?P<path>[\w\-.\[\]*=/:@+]+) (?:(?P<op>=|!=|~|<=|>=|<|>|has|about|lists) (?P<value>.+)|(?P<absent>absent))"
MAYBE_CONDITION = rf"(?: (?:{CONDITION}))?"
TIMES = r"(?:(?P<times>[1-9]\d*) times )?"
SENTENCES = [(verb, re.compile(pattern)) for verb, pattern in {
    "copy": r"given file (?P<path>\S+) from (?P<source>\S+)(?: lines (?P<first>\d+) to (?P<last>\d+))?",
    "file": r"given file (?P<path>\S+)",
    "receiver": r"given a receiver of notifications",
    "version": r"given version (?P<version>\d+) of (?P<model>\S+) from (?P<source>[^,]+)(?:, (?P<more>.+))?",
    "commit": r"commit (?P<message>.+)",
    "up": r"up(?P<environment>(?: [A-Z_]+=\S+)*)",
    "stop": r"stop",
    "restart": r"restart",
    "clock": r"clock (?:\+ ?(?P<span>\d+) ?(?P<unit>[smhdw])|(?P<time>\d{4}-\S+))",
    "header": r"header (?P<name>[\w\-]+): (?P<value>.+)",
    "request": TIMES + r"(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<path>/\S*)(?: (?P<body>.+))?",
    "ask": TIMES + r"ask (?P<deployment>\S+)(?P<values>(?: [\w\-]+=\S+)+)",
    "label": r"label (?P<name>\w+) = (?P<value>\S+)",
    "command": r"\$ (?P<command>.+)",
    "status": rf"expect (?P<status>\d{{3}}){MAYBE_CONDITION}",
    "exit": r"expect exit (?P<code>\d+)",
    "output": r"expect output (?P<op>~|lacks) (?P<pattern>.+)",
    "expect": rf"expect {CONDITION}",
    "no_event": r"no event (?P<type>[a-z_.]+)(?: (?P<subject>\S+))?",
    "event": rf"event (?P<type>[a-z_.]+) (?P<subject>\S+){MAYBE_CONDITION}",
    "events": r"(?P<count>\d+) events? (?P<type>[a-z_.]+)(?: (?P<subject>\S+))?",
    "no_graph": r"no graph (?P<effect>\S+) -\[(?P<relation>[\w*]+)\]-> (?P<cause>\S+)",
    "graph": r"graph (?P<effect>\S+) -\[(?P<relation>[\w*]+)\]-> (?P<cause>\S+)",
    "let": r"let (?P<name>[a-z]\w*) = (?P<path>[^\s~]+)(?: ~ (?P<pattern>.+))?",
    "told": r"told (?P<type>[a-z_.]+)",
}.items()]
BLOCKS = {"file": True, "request": False}  # which may have an indented block, and whether they must
ABOUT_THE_LAST = {"status", "exit", "output", "expect", "let"}
OWN_NAMES = {"n", "nn", "url", "root", "now"}


class Failed(Exception):
    """Of one line of a scenario: what it says, what was expected, what was found."""

    def __init__(self, file, line, sentence, expected, found):
        super().__init__(f"{file}:{line}: {sentence}\n    expected: {expected}\n    found:    {found}")
        self.line, self.expected, self.found = line, expected, found


class Wrong(Exception):
    """What a line asks for does not hold; who plays it knows which line it is."""

    def __init__(self, expected, found):
        super().__init__(expected, found)
        self.expected, self.found = expected, found


@dataclasses.dataclass
class Step:
    line: int
    sentence: str
    verb: str
    words: dict
    block: str = ""

    def __getattr__(self, name):
        try:
            return self.words[name]
        except KeyError:
            raise AttributeError(name) from None


def read_sentence(file, line, sentence):
    for verb, pattern in SENTENCES:
        if match := pattern.fullmatch(sentence):
            return Step(line, sentence, verb, match.groupdict())
    raise Failed(file, line, sentence, "a sentence of tests/scenario/README.md", f"none that reads so: {sentence!r}")


def parse(file, text):
    """The steps of a file; an error names its line. A file without anything that can fail is an error too."""
    steps, blocks = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in (" ", "\t"):
            if not steps or steps[-1].verb not in BLOCKS:
                raise Failed(file, number, line.strip(), "an indented line below what has a block", "nothing above it has one")
            blocks.setdefault(steps[-1].line, []).append(line)
            continue
        line = re.sub(r" {2,}", " ", line.strip(), count=1)
        if not line:
            if steps and steps[-1].line in blocks:
                blocks[steps[-1].line].append("")
            continue
        if not line.startswith("#"):
            steps.append(read_sentence(file, number, line))
    for step in steps:
        step.block = unindented(blocks.get(step.line, []))
        if BLOCKS.get(step.verb) and not step.block:
            raise Failed(file, step.line, step.sentence, "its content, indented, on the lines below", "none")
    check_sense(file, steps)
    return steps


def unindented(lines):
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return ""
    margin = min(len(line) - len(line.lstrip(" \t")) for line in lines if line)
    return "\n".join(line[margin:] for line in lines) + "\n"


def check_sense(file, steps):
    """What can be seen without playing it: every look has something to look at, every name is given before it is used."""
    known, seen_any = set(OWN_NAMES), False
    for step in steps:
        if step.verb in ABOUT_THE_LAST and not seen_any:
            raise Failed(file, step.line, step.sentence, "a request, a command or an event above it", "none")
        seen_any = seen_any or step.verb in ("request", "ask", "label", "command", "event")
        if step.verb == "let":
            if step.name in OWN_NAMES:
                raise Failed(file, step.line, step.sentence, "a name of its own", f"{step.name} is taken")
            known.add(step.name)
        if step.verb == "receiver":
            known.add("receiver")
        if step.verb == "label" and step.name not in known:
            raise Failed(file, step.line, step.sentence, "names that a `let` above gives", step.name)
        if step.verb not in ("file",):
            for name in re.findall(r"\$\{(\w+)\}", step.sentence + step.block):
                if name not in known:
                    raise Failed(file, step.line, step.sentence, "names that a `let` above gives", f"${{{name}}}")
    if not any(step.verb in ("status", "exit", "output", "expect", "event", "events", "graph") for step in steps):
        raise Failed(file, steps[-1].line if steps else 1, "(the end)", "at least one line that expects something", "none")


# --- names ---

def fill(text, values, escape=str, lenient=False):
    """With each ${name} replaced by its value; texts as they are, all else as JSON."""
    def one(match):
        name = match.group(1)
        if name not in values:
            if lenient:
                return match.group(0)
            raise Wrong("names that have a value", "${" + name + "}")
        value = values[name]
        return escape(value if isinstance(value, str) else json.dumps(value))
    return re.sub(r"\$\{(\w+)\}", one, text)


# --- paths and conditions ---

class Missing(Exception):
    pass


PART = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<index>-?\d+)\]|\[(?P<all>\*)\]|\[(?P<key>[\w\-.]+)=(?P<equals>[^\]]+)\]")


def look_up(document, path):
    """a.b, a[0], a[-1], a[key=value] (the first such item), a[*] (a list of what follows in each item)."""
    at, value = 0, document
    while at < len(path):
        part = PART.match(path, at)
        if part is None:
            raise Wrong("a path like a.b[0].c", path)
        at = part.end()
        if part["all"]:
            if not isinstance(value, list):
                raise Missing(f"{path[:part.start()]} is no list but {short(value)}")
            rest = path[at:]
            return [look_up(item, rest) for item in value] if rest else value
        value = step_into(value, part, path[:part.start()])
    return value


def step_into(value, part, before):
    where = before or "the answer"
    if part["name"] is not None:
        if isinstance(value, dict) and part["name"] in value:
            return value[part["name"]]
        has = "has " + ", ".join(sorted(value)) if isinstance(value, dict) else f"is {short(value)}"
        raise Missing(f"no {part['name']}: {where} {has}")
    if not isinstance(value, list):
        raise Missing(f"{where} is no list but {short(value)}")
    if part["index"] is not None:
        index = int(part["index"])
        if not -len(value) <= index < len(value):
            raise Missing(f"{where} has {len(value)} items")
        return value[index]
    key, equals = part["key"], part["equals"]
    for item in value:
        if isinstance(item, dict) and as_text(item.get(key)) == equals:
            return item
    raise Missing(f"of {where} none has {key} = {equals}: {[item.get(key) for item in value if isinstance(item, dict)]}")


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def short(value, most=600):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def value_of(text):
    """JSON, or the text as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def equal(found, wanted):
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(equal(f, w) for f, w in zip(found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(equal(found[key], wanted[key]) for key in found)
    return type(found) in (int, float) and type(wanted) in (int, float) and found == wanted or (
        type(found) is type(wanted) and found == wanted)


def is_number(value):
    return type(value) in (int, float)


def check(document, words, values):
    """Raises Wrong unless the condition of these words holds for the document."""
    path = fill(words["path"], values)
    if words["absent"]:
        try:
            found = look_up(document, path)
        except Missing:
            return
        raise Wrong(f"no {path}", short(found))
    op, text = words["op"], words["value"]
    sentence = f"{path} {op} {fill(text, values)}"
    try:
        found = look_up(document, path)
    except Missing as missing:
        raise Wrong(sentence, str(missing)) from None
    if not holds(found, op, text, values):
        raise Wrong(sentence, short(found))


def holds(found, op, text, values):
    if op == "~":
        return re.search(fill(text, values, escape=re.escape), as_text(found)) is not None
    wanted = value_of(fill(text, values))
    if op in ("=", "!="):
        return equal(found, wanted) == (op == "=")
    if op == "has":
        return isinstance(found, (list, dict, str)) and len(found) == wanted
    if op == "lists":
        return isinstance(found, list) and any(equal(item, wanted) for item in found)
    if not is_number(found) or not is_number(wanted):
        return False
    return {"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted,
            "about": abs(found - wanted) <= 1e-3 * max(abs(wanted), 1e-9)}[op]


# --- events and edges ---

EVENTS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference" / "events.md"


def described_events():
    """The types on the page of all events."""
    return set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", EVENTS.read_text(), re.M))


def like(text, pattern):
    """Whether the text is as the pattern says, where * stands for anything."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.S) is not None


def events_like(events, kind, subject):
    return [event for event in events if event["type"] == kind and (subject is None or like(event["subject"], subject))]


def told_as(events, most=40):
    """A line each, of the newest."""
    def line(event):
        return f"{event['seq']} {event.get('time', '')} {event['type']} {event['subject']} {short(event['data'], 200)}"
    return "".join(f"\n              {line(event)}" for event in events[-most:]) or "none"
