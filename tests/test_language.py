"""Which messages are in another language; code, names and clumsy English are not."""

from __future__ import annotations

import pytest

from app.language import is_foreign


@pytest.mark.parametrize(
    "message",
    [
        "comment éviter les requêtes N+1 dans une vue liste de Django ?",
        "Wie kann ich die Liste der Bestellungen seitenweise ausliefern?",
        "¿Cómo pagino una lista muy larga en la API?",
        "como faço paginação com cursor no django rest framework",
        "Как сделать пагинацию?",
        "どうやってページングしますか",
        "كيف أضيف ترقيم الصفحات إلى واجهة برمجة التطبيقات",
        "怎么避免 N+1 查询",
        "django and celery: jak skonfigurować kolejkę and ponawianie zadań",
    ],
)
def test_another_language_is_told(message: str) -> None:
    assert is_foreign(message)


@pytest.mark.parametrize(
    "message",
    [
        "N+1",
        "cors",
        "jwt refresh",
        "ROTATE_REFRESH_TOKENS",
        "select_related prefetch_related",
        "docker compose postgres healthcheck",
        "django.db.utils.OperationalError: FATAL: sorry, too many clients already",
        "def get_queryset(self): return super().get_queryset().select_related('author')",
        "pls halp, pagnation dosnt wrk on big tabel",
        "how i can make fast the list of order, is very slow when many",
        "customers called Müller and 日本 sort wrongly in the order list",
        "",
        "1234 !!",
    ],
)
def test_names_code_and_clumsy_english_are_not_another_language(message: str) -> None:
    assert not is_foreign(message)
