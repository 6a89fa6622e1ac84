"""Skills: the LLM is told their names and purposes, and loads their contents when it needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wegent_runner.engine.tools import Tool, ToolOutput, ToolSpec
from wegent_runner.plan.plan import SkillPlan
from wegent_runner.runs.items import SKILLS_SERVER


def instructions_of(skills: Sequence[SkillPlan]) -> str:
    """Return the part of the system prompt that lists the Skills; empty without any."""
    if not skills:
        return ""
    lines = "\n".join(f"- {skill.name}: {' '.join(skill.description.split())}" for skill in skills)
    return (
        "You have the following skills. Before you do a task that one of them is for, load its"
        f" instructions with the tool load_skill, and follow them.\n{lines}"
    )


def tools_of(skills: Sequence[SkillPlan]) -> list[Tool]:
    """Return the tools for Skills: none without Skills, or without files in them."""
    tools: list[Tool] = []
    if skills:
        tools.append(LoadSkill({skill.name: skill for skill in skills}))
    if any(skill.files for skill in skills):
        tools.append(ReadSkillFile({skill.name: skill for skill in skills if skill.files}))
    return tools


@dataclass(frozen=True, slots=True)
class LoadSkill:
    """The tool ``load_skill``."""

    skills: Mapping[str, SkillPlan]

    @property
    def spec(self) -> ToolSpec:
        """The tool as the LLM is told of it."""
        return ToolSpec(
            "load_skill",
            "Returns the instructions of a skill.",
            _object(name=_one_of(self.skills, "Name of the skill.")),
            SKILLS_SERVER,
            repeatable=True,
        )

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Return the content of a Skill, and the paths of its files."""
        skill = self.skills.get(str(arguments.get("name")))
        if skill is None:
            return _unknown("name", "skill", self.skills)
        files = "".join(f"\n- {path}" for path in skill.files)
        listed = f"\n\nFiles of this skill, for read_skill_file:{files}" if files else ""
        return ToolOutput((skill.content or skill.description) + listed)


@dataclass(frozen=True, slots=True)
class ReadSkillFile:
    """The tool ``read_skill_file``."""

    skills: Mapping[str, SkillPlan]

    @property
    def spec(self) -> ToolSpec:
        """The tool as the LLM is told of it."""
        return ToolSpec(
            "read_skill_file",
            "Returns a file of a skill.",
            _object(
                skill=_one_of(self.skills, "Name of the skill."),
                path={"type": "string", "description": "Path of the file, as load_skill lists it."},
            ),
            SKILLS_SERVER,
            repeatable=True,
        )

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Return the text of a file."""
        skill = self.skills.get(str(arguments.get("skill")))
        if skill is None:
            return _unknown("skill", "skill with files", self.skills)
        text = skill.files.get(str(arguments.get("path")))
        if text is None:
            return _unknown("path", "file", skill.files)
        return ToolOutput(text)


def _unknown(argument: str, noun: str, known: Mapping[str, Any]) -> ToolOutput:
    names = ", ".join(known)
    return ToolOutput(f"{argument}: there is no such {noun}; there are: {names}", failed=True)


def _object(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _one_of(names: Mapping[str, Any], about: str) -> Mapping[str, Any]:
    return {"type": "string", "enum": list(names), "description": about}
