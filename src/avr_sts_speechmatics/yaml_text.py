"""YAML in which every value is text, and every key has a line number.

People write `no` for Norwegian and 0100 for an extension, but YAML reads false and sixty-four. So
this module reads values only as text, lists and mappings. A key that occurs twice is an error. The
line numbers let the code that checks the values name the line of a mistake.
"""

from collections.abc import Hashable
from typing import Any

import yaml


class YamlError(Exception):
    """The text is not valid YAML. The message says why, after the line number if it is known.

    line: line of the mistake, from 1, or None.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.line = line


class YamlMapping(dict[Any, Any]):
    """A mapping.

    lines: line number of each key, from 1.
    """

    lines: dict[str, int]


def parse_yaml(text: str, mapping: str = "mapping") -> Any:
    """Parse a YAML document.

    mapping: the word for a mapping in error messages, such as "agent" or "script".

    Returns a str, a list or a YamlMapping, nested; None for an empty document. Raises YamlError.
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
    """Return a value for an error message: short, on one line."""
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
                continue  # not a name: rejected by construct_mapping below
            line = name.start_mark.line + 1
            if name.value in lines:
                problem = f"{name.value!r} stands twice in one {self.called}, again in line {line}"
                raise YamlError(problem, lines[name.value])
            lines[name.value] = line
        made = YamlMapping(super().construct_mapping(node, deep))
        made.lines = lines
        return made
