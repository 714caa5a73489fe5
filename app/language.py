"""Is a message written in the corpus' language? The only import of py3langid."""

from __future__ import annotations

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGE = "en"
# Code and names look like many languages, so a message counts as foreign only when there is little doubt: at 0.9
# one of 3,500 English questions does.
SURE = 0.9
# Words that hardly any other language has; two different ones save the time to ask the model.
ENGLISH = re.compile(r"\b(?:the|how|with|what|when|which|should|and|our|does|doesn't|don't|after|from)\b")
ENOUGH_ENGLISH = 2
# Letters up to here are those of languages in the Latin script.
LAST_LATIN = "\u024f"


def is_foreign(message: str) -> bool:
    """True if `message` is in another language than English."""
    letters = [letter for letter in message if letter.isalpha()]
    # In another script even a short message leaves no doubt, though not which of its languages it is in.
    if sum(letter > LAST_LATIN for letter in letters) * 2 > len(letters):
        return True
    if len(set(ENGLISH.findall(message))) >= ENOUGH_ENGLISH:
        return False
    language, probability = identifier().classify(message)
    return bool(language != LANGUAGE and probability > SURE)


@cache
def identifier() -> LanguageIdentifier:
    """The model, read once; that takes half a second, so it is asked for before the first question."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
