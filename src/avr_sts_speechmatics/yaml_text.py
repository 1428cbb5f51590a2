"""YAML in which everything is text, and every key knows its line.

People write `no` for Norwegian and 0100 for an extension, of which YAML makes false and sixty four.
So nothing is made of a value here but text, lists and mappings; a key that stands twice is a
mistake; and who checks the values can say in which line they stand.
"""

from collections.abc import Hashable
from typing import Any

import yaml


class YamlError(Exception):
    """Not YAML. The text says what is wrong, begun with the line where that is known.

    line: counted from 1, or None.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.line = line


class YamlMapping(dict[Any, Any]):
    """A mapping. lines: the line of each key, counted from 1."""

    lines: dict[str, int]


def parse_yaml(text: str, mapping: str = "mapping") -> Any:
    """Text, a list or a YamlMapping, of nothing but these; None for an empty document.

    mapping: what the writer knows a mapping as, for errors. Raises YamlError.
    """
    loader = None
    try:
        loader = _Loader(text)
        loader.called = mapping
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise YamlError(str(error.problem), mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError("cannot be read as YAML") from error
    finally:
        if loader is not None:
            loader.dispose()


def shown(value: object) -> str:
    """A value in a message: short, on one line."""
    if not isinstance(value, str):
        return "a list" if isinstance(value, list) else "a mapping"
    text = " ".join(value.split())
    return f"'{text[:40]}{'…' if len(text) > 40 else ''}'"


class _Loader(yaml.BaseLoader):
    called = ""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                continue  # no name at all: refused below
            line = name.start_mark.line + 1
            if name.value in lines:
                problem = f"{name.value!r} stands twice in one {self.called}, again in line {line}"
                raise YamlError(problem, lines[name.value])
            lines[name.value] = line
        made = YamlMapping(super().construct_mapping(node, deep))
        made.lines = lines
        return made
