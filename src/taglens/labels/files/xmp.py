"""XMP packets: the keywords that photo programs keep in them, and beside these what TagLens knows of each label.

Keywords are ``dc:subject``, with their paths in ``lr:hierarchicalSubject`` (Lightroom: ``Animal|Dog``) and ``digiKam:TagsList``
(``Animal/Dog``). TagLens's own part, ``taglens:labels``, says which were checked and which a model filled; other programs leave it.
Sources: XMP Specification, part 1 (ISO 16684-1); Lightroom's and digiKam's namespaces as ExifTool documents them.
"""

import codecs
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn
from xml.dom import minidom
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

LARGEST = 16 * 2**20
"""Bytes of a packet that are read."""
PATH_SIGN = "|"
"""Stands between the levels of a keyword in the name of a class."""
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_OURS = "urn:taglens:labels:1:"
_PATHS = (
    ("http://ns.adobe.com/lightroom/1.0/", "lr", "hierarchicalSubject", "|"),
    ("http://www.digikam.org/ns/1.0/", "digiKam", "TagsList", "/"),
)
"""Namespace, prefix, property and the sign between the levels, the first being written always, the others where they are."""
_LISTS = ("Bag", "Seq", "Alt")
_EMPTY = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="TagLens">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)
_STATES = {"1": POSITIVE, "0": NEGATIVE}


@dataclass(frozen=True)
class Mark:
    """What TagLens knows of one label of a picture."""

    name: str
    state: int
    source: str = ""
    """As :func:`taglens.labels.origins.format_origin` writes it."""
    probability: str = ""


@dataclass(frozen=True)
class Keywords:
    """What a packet, or a picture with several, says."""

    flat: tuple[str, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    """Levels of hierarchical keywords, the widest first."""
    marks: tuple[Mark, ...] = ()
    classes: tuple[str, ...] = ()
    """All classes of the table that was written; only the first picture's packet says them."""
    split: str | None = None

    def __bool__(self) -> bool:
        return bool(self.flat or self.paths or self.marks or self.split)


class _NoDoctype(ElementTree.TreeBuilder):
    """XMP has no document type; those of strangers define entities that grow without end."""

    def doctype(self, name: str, pubid: str, system: str) -> NoReturn:
        raise TableError("it declares a document type, which XMP never has")


def read_xmp(content: bytes, where: str) -> Keywords:
    """Read a packet or a sidecar.

    Raises:
        TableError: no XML, a document type, or larger than :data:`LARGEST`.
    """
    advice = "repair or remove it"
    if len(content) > LARGEST:
        raise TableError(f"{where}: XMP of {len(content):,} bytes, at most {LARGEST:,} are read; {advice}")
    try:
        root = ElementTree.fromstring(_trimmed(content), ElementTree.XMLParser(target=_NoDoctype()))
    except TableError as error:
        raise TableError(f"{where}: not read as XMP: {error}; {advice}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise TableError(f"{where}: not readable as XMP ({error}); {advice}") from error
    flat = _texts(root, _DC, "subject")
    found = [_levels(text, sign) for space, _, name, sign in _PATHS for text in _texts(root, space, name)]
    paths = tuple(dict.fromkeys(path for path in found if path))
    return Keywords(flat, paths, tuple(_marks(root)), _texts(root, _OURS, "classes"), _single(root, "split"))


def _trimmed(content: bytes) -> bytes:
    """Return a packet without the padding around it, which in UTF-16 cannot be told from half a sign."""
    return content if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else content.strip(b"\0 \t\r\n")


def _texts(root: ElementTree.Element, space: str, name: str) -> tuple[str, ...]:
    """Return the texts of all lists of that name, each once."""
    items = (item for found in root.iter(f"{{{space}}}{name}") for item in found.iter(f"{{{_RDF}}}li"))
    texts = (" ".join("".join(item.itertext()).split()) for item in items)
    return tuple(dict.fromkeys(text for text in texts if text))


def _levels(text: str, sign: str) -> tuple[str, ...]:
    return tuple(level for level in (part.strip() for part in text.split(sign)) if level)


def _marks(root: ElementTree.Element) -> Iterator[Mark]:
    for found in root.iter(f"{{{_OURS}}}labels"):
        for item in found.iter(f"{{{_RDF}}}li"):
            fields = {name: _field(item, name) for name in ("class", "state", "source", "probability")}
            if fields["class"] and fields["state"] in _STATES:
                yield Mark(fields["class"], _STATES[fields["state"]], fields["source"], fields["probability"])


def _field(item: ElementTree.Element, name: str) -> str:
    """Return a field of a structure, which programs write as elements or as attributes, inside a description or not."""
    tag = f"{{{_OURS}}}{name}"
    for element in item.iter():
        if element.tag == tag:
            return (element.text or "").strip()
        if tag in element.attrib:
            return element.attrib[tag].strip()
    return ""


def _single(root: ElementTree.Element, name: str) -> str | None:
    tag = f"{{{_OURS}}}{name}"
    texts = (element.text if element.tag == tag else element.attrib.get(tag) for element in root.iter())
    return next((text.strip() for text in texts if text), None)


def merged_xmp(content: bytes | None, wanted: Keywords, removed: Collection[str], where: str) -> bytes:
    """Return the packet ``content`` (None: a new one) with the keywords and marks of ``wanted``; all else in it stays.

    Keywords in ``removed`` go, by their name or their path. The marks of an earlier time are replaced.

    Raises:
        TableError: ``content`` cannot be read, or a name that XML cannot hold.
    """
    if content is not None:
        read_xmp(content, where)  # refuses what must not be parsed below
    try:
        document = minidom.parseString(_EMPTY if content is None else _trimmed(content))
        description = _description(document, where)
        _merge_list(document, description, (_DC, "dc", "subject"), wanted.flat, removed)
        for number, (space, prefix, name, sign) in enumerate(_PATHS):
            if not number or document.getElementsByTagNameNS(space, name):
                _merge_paths(document, description, (space, prefix, name), sign, wanted, removed)
        _replace_ours(document, description, wanted)
        made: bytes = document.toxml(encoding="UTF-8")
    except (ExpatError, RecursionError, UnicodeError, ValueError) as error:
        raise TableError(f"{where}: XMP that cannot be changed ({error}); repair or remove it") from error
    if not set(wanted.flat) <= set(read_xmp(made, where).flat):
        raise TableError(f"{where}: a class name has signs that XML cannot hold; rename it")
    return made


def packet(merged: bytes) -> bytes:
    """Return what :func:`merged_xmp` made in the wrapping that it has inside a picture."""
    body = re.sub(rb"^\s*<\?xml[^>]*\?>\s*", b"", merged)
    body = re.sub(rb"<\?xpacket[^>]*\?>", b"", body).strip()
    return b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' + body + b'\n<?xpacket end="w"?>'


def _description(document: minidom.Document, where: str) -> minidom.Element:
    rdf = next(iter(document.getElementsByTagNameNS(_RDF, "RDF")), None)
    if rdf is None:
        raise TableError(f"{where}: no RDF in it, so no XMP; repair or remove it")
    found = next((node for node in _elements(rdf) if node.localName == "Description"), None)
    if found is None:
        found = _child(document, rdf, _RDF, f"{rdf.prefix or 'rdf'}:Description")
        found.setAttributeNS(_RDF, f"{rdf.prefix or 'rdf'}:about", "")
    return found


def _elements(parent: minidom.Element) -> list[minidom.Element]:
    return [node for node in parent.childNodes if isinstance(node, minidom.Element)]


def _remove(element: minidom.Element) -> None:
    if element.parentNode is not None:
        element.parentNode.removeChild(element)


def _child(document: minidom.Document, parent: minidom.Element, space: str, name: str, text: str | None = None) -> minidom.Element:
    """Add an element, which declares its own prefix where the document means something else by it."""
    made = document.createElementNS(space, name)
    parent.appendChild(made)
    declared = f"xmlns:{name.partition(':')[0]}"
    around: minidom.Node | None = parent
    while isinstance(around, minidom.Element) and not around.hasAttribute(declared):
        around = around.parentNode
    if not isinstance(around, minidom.Element) or around.getAttribute(declared) != space:
        made.setAttribute(declared, space)
    if text is not None:
        made.appendChild(document.createTextNode(text))
    return made


def _items(document: minidom.Document, space: str, name: str) -> dict[minidom.Element, str]:
    lists = document.getElementsByTagNameNS(space, name)
    return {item: _text(item) for found in lists for item in found.getElementsByTagNameNS(_RDF, "li")}


def _text(node: minidom.Element) -> str:
    texts = (_text(child) if isinstance(child, minidom.Element) else getattr(child, "data", "") for child in node.childNodes)
    return " ".join("".join(texts).split())


def _add(document: minidom.Document, description: minidom.Element, names: tuple[str, str, str], texts: Sequence[str]) -> None:
    if not texts:
        return
    space, prefix, name = names
    held = next(iter(document.getElementsByTagNameNS(space, name)), None) or _child(document, description, space, f"{prefix}:{name}")
    bag = next((node for node in _elements(held) if node.localName in _LISTS), None)
    bag = bag or _child(document, held, _RDF, "rdf:Bag")
    for text in texts:
        _child(document, bag, _RDF, "rdf:li", text)


def _merge_list(
    document: minidom.Document, description: minidom.Element, names: tuple[str, str, str], wanted: Sequence[str], removed: Collection[str]
) -> None:
    there = _items(document, names[0], names[2])
    for item, text in there.items():
        if text in removed:
            _remove(item)
    _add(document, description, names, [text for text in wanted if text not in there.values()])


def _merge_paths(
    document: minidom.Document,
    description: minidom.Element,
    names: tuple[str, str, str],
    sign: str,
    wanted: Keywords,
    removed: Collection[str],
) -> None:
    """Keep a keyword at the place in its tree that it has; others stand at the top."""
    there = {item: _levels(text, sign) for item, text in _items(document, names[0], names[2]).items()}
    # a program that finds paths looks no further: a new list has to name all keywords
    flat = wanted.flat if there else tuple(_items(document, _DC, "subject").values())
    for item, levels in there.items():
        if PATH_SIGN.join(levels) in removed or (levels and levels[-1] in removed):
            _remove(item)
    held = set(there.values())
    leaves = {levels[-1] for levels in held if levels}
    added = [path for path in wanted.paths if path not in held]
    leaves |= {path[-1] for path in added}
    added += [(name,) for name in flat if name not in leaves and sign not in name]
    _add(document, description, names, [sign.join(path) for path in added])


def _replace_ours(document: minidom.Document, description: minidom.Element, wanted: Keywords) -> None:
    for element in document.getElementsByTagNameNS(_OURS, "*"):
        _remove(element)
    for element in document.getElementsByTagNameNS(_RDF, "Description"):
        for name in [attribute.localName for attribute in element.attributes.values() if attribute.namespaceURI == _OURS]:
            element.removeAttributeNS(_OURS, name)
    if wanted.split is not None:
        _child(document, description, _OURS, "taglens:split", wanted.split)
    if wanted.classes:
        bag = _child(document, _child(document, description, _OURS, "taglens:classes"), _RDF, "rdf:Seq")
        for name in wanted.classes:
            _child(document, bag, _RDF, "rdf:li", name)
    if wanted.marks:
        bag = _child(document, _child(document, description, _OURS, "taglens:labels"), _RDF, "rdf:Bag")
        written = {state: text for text, state in _STATES.items()}
        for mark in wanted.marks:
            item = _child(document, bag, _RDF, "rdf:li")
            item.setAttributeNS(_RDF, "rdf:parseType", "Resource")
            fields = {"class": mark.name, "state": written[mark.state], "source": mark.source, "probability": mark.probability}
            for name, text in fields.items():
                if text:
                    _child(document, item, _OURS, f"taglens:{name}", text)


def changed_marks(earlier: Sequence[Mark], now: Sequence[Mark]) -> list[str]:
    """Return the classes whose state an earlier packet knew and that are something else now."""
    states = {mark.name: mark.state for mark in now}
    return [mark.name for mark in earlier if states.get(mark.name, UNKNOWN) != mark.state]
