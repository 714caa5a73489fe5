import pytest
from django.core.management import call_command


@pytest.fixture(scope="session", autouse=True)
def committed_schema(request):
    """What the repository of the reader holds: the schema as generated at the last commit."""
    call_command("spectacular", "--file", str(request.config.rootpath / "schema.yml"))
