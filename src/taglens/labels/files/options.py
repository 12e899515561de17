"""How the columns of a table's file are read where its header leaves a question."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How an own table is read."""

    images: Path | None = None
    """Folder of the pictures of an own table (default: the folder of the table), or of a public data set whose pictures lie elsewhere."""
    image_column: str | None = None
    """Column of an own table that names the pictures (default: image, or a usual name such as file_name, which is said)."""
    split_column: str | None = None
    """Column of an own table that says the split (default: split, or a usual one such as is_valid or subset, which is said)."""
    tags_column: str | None = None
    """Column of an own table that lists tags (default: tags, where it is the only one); other columns are left out, which is said."""
    tag_separator: str | None = None
    """What stands between tags: a sign such as ; or one of space, comma, semicolon, bar, tab, newline."""
    encoding: str | None = None
    """Encoding of a text file that is neither UTF-8 nor says what it is, such as windows-1252, shift_jis or gb18030."""
    ignore: tuple[str, ...] = ()
    """Columns of an own table to leave out."""
    class_columns: tuple[str, ...] = ()
    """Columns of an own table that are classes although their names look like something else, such as id or score."""
    long: bool = False
    """Read an own table as one row for each picture and class: image, class, and value if there is one."""

    def __post_init__(self) -> None:
        for name in ("ignore", "class_columns"):  # JSON knows no tuples: a run's configuration gives lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
