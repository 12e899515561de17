"""What is said to the text encoder about a class: hand-written templates, and contexts that are learned.

Knows a text encoder by two functions only; nothing of pictures, labels or backbones.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.prompts.contexts import PromptContexts, PromptEmbeddings
    from taglens.prompts.templates import TEMPLATES, ensemble

__all__ = ["TEMPLATES", "PromptContexts", "PromptEmbeddings", "ensemble"]

__getattr__, __dir__ = lazy_face(
    "taglens.prompts",
    {
        **dict.fromkeys(("PromptContexts", "PromptEmbeddings"), "taglens.prompts.contexts"),
        **dict.fromkeys(("TEMPLATES", "ensemble"), "taglens.prompts.templates"),
    },
)
