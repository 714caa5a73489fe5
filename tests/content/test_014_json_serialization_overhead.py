"""Scenario 14: one list is serialized the slow and the cheap way; calls, types and bytes are compared."""

import asyncio
import cProfile
import json
import pstats
import tracemalloc
from datetime import timedelta
from decimal import Decimal

import msgpack
import orjson
import pytest
import rest_framework.response
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from drf_orjson_renderer.renderers import ORJSONRenderer
from fleet.api import position_rows
from fleet.models import Position, Vehicle
from fleet.profiling import seconds_by_stage
from fleet.serializers import PositionRowSerializer, PositionSerializer
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

FIELDS = 4

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = APIClient()
    client.force_authenticate(get_user_model().objects.create_user("ada"))
    return client


@pytest.fixture
def positions():
    vehicle = Vehicle.objects.create(plate="KÖ-1")
    start = timezone.now()
    return Position.objects.bulk_create(
        Position(
            vehicle=vehicle,
            recorded_at=start + timedelta(seconds=number),
            speed=Decimal(number) / 2,
            driver_note="x" * 500,
        )
        for number in range(100)
    )


def objects():
    return Position.objects.select_related("vehicle").order_by("-recorded_at", "-id")


def calls(work, file):
    """How many calls of functions in `file` the work takes."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats = pstats.Stats(profile).stats
    return sum(entry[1] for (path, _, _), entry in stats.items() if path.endswith(file))


class TestTheStages:
    def test_each_stage_is_timed_and_queries_belong_to_reading_alone(self, positions):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            stages = seconds_by_stage(objects(), PositionSerializer)
        assert list(stages) == ["read", "serialize", "encode"]
        assert all(seconds > 0 for seconds in stages.values())
        assert len(queries) == 1


class TestTheCheapSerializer:
    def test_it_sends_the_same_bytes(self, positions):
        slow = JSONRenderer().render(PositionSerializer(objects(), many=True).data)
        fast = JSONRenderer().render(PositionRowSerializer(position_rows(), many=True).data)
        assert fast == slow
        assert len(json.loads(fast)) == 100

    def test_in_another_time_zone_too(self, positions):
        with timezone.override("America/New_York"):
            slow = PositionSerializer(objects(), many=True).data
            fast = PositionRowSerializer(position_rows(), many=True).data
        assert fast == slow
        assert not fast[0]["recorded_at"].endswith("Z")

    def test_no_field_runs_and_no_model_instance_is_built(self, positions):
        slow = calls(lambda: PositionSerializer(list(objects()), many=True).data, "rest_framework/fields.py")
        fast = calls(
            lambda: PositionRowSerializer(list(position_rows()), many=True).data, "rest_framework/fields.py"
        )
        # Reading the attribute and representing it: at least two calls for each field of each row.
        assert slow > 2 * FIELDS * len(positions)
        assert fast < len(positions)
        built = "django/db/models/base.py"
        assert calls(lambda: list(objects()), built) >= len(positions)
        assert calls(lambda: list(position_rows()), built) < len(positions)

    def test_a_plain_serializer_runs_the_same_loop_as_a_model_serializer(self, positions):
        class Plain(serializers.Serializer):
            id = serializers.IntegerField()
            plate = serializers.CharField(source="vehicle.plate")
            recorded_at = serializers.DateTimeField()
            speed = serializers.DecimalField(max_digits=5, decimal_places=1)

        rows = list(objects())
        plain = calls(lambda: Plain(rows, many=True).data, "rest_framework/fields.py")
        model = calls(lambda: PositionSerializer(rows, many=True).data, "rest_framework/fields.py")
        assert Plain.to_representation is PositionSerializer.to_representation
        assert plain > 0.9 * model

    def test_the_schema_fields_are_still_declared(self):
        assert list(PositionRowSerializer().fields) == list(PositionSerializer().fields)

    def test_the_page_takes_one_query_without_the_long_columns(self, client, positions):
        with CaptureQueriesContext(connection) as queries:
            response = client.get("/positions/")
        (query,) = queries
        assert "driver_note" not in query["sql"]
        page = response.json()
        assert page["next"] is None
        assert page["results"] == PositionSerializer(objects(), many=True).data

    def test_the_page_is_bounded(self, client, positions):
        Position.objects.bulk_create(Position(vehicle=positions[0].vehicle, speed=1) for _ in range(1000))
        page = client.get("/positions/").json()
        assert len(page["results"]) == 1000
        assert page["next"]


class TestTheEncoders:
    def test_orjson_sends_the_same_bytes_as_drf(self, client, positions):
        data = PositionSerializer(objects(), many=True).data
        assert ORJSONRenderer().render(data) == JSONRenderer().render(data)

    def test_orjson_answers_whoever_names_no_format(self, client, positions):
        response = client.get("/positions/")
        assert isinstance(response.accepted_renderer, ORJSONRenderer)
        assert response.headers["Content-Type"] == "application/json"

    def test_the_options_give_drfs_keys_and_drfs_utc(self):
        odd = {1: timezone.now()}
        assert ORJSONRenderer().render(odd) == JSONRenderer().render(odd)
        with pytest.raises(TypeError, match="Dict key must be str"):
            orjson.dumps(odd)
        assert orjson.dumps(odd, option=orjson.OPT_NON_STR_KEYS) != JSONRenderer().render(odd)

    def test_a_service_that_asks_for_messagepack_gets_the_same_data_in_fewer_bytes(self, client, positions):
        as_json = client.get("/positions/")
        packed = client.get("/positions/", headers={"accept": "application/vnd.msgpack"})
        assert packed.headers["Content-Type"] == "application/vnd.msgpack"
        assert msgpack.unpackb(packed.content) == as_json.json()
        assert len(packed.content) < len(as_json.content)

    def test_errors_are_messagepack_too_and_no_body_stays_empty(self, client, positions):
        response = client.get("/positions/?cursor=rubbish", headers={"accept": "application/vnd.msgpack"})
        assert response.status_code == 404
        assert msgpack.unpackb(response.content) == {"detail": "Invalid cursor"}
        assert response.accepted_renderer.render(None) == b""


class TestTheStream:
    def test_every_line_is_the_json_of_a_row(self, client, positions):
        response = client.get("/positions/export/", headers={"accept": "application/x-ndjson"})
        assert response.headers["Content-Type"] == "application/x-ndjson"
        lines = response.getvalue().splitlines()
        assert [json.loads(line) for line in lines] == PositionSerializer(objects(), many=True).data

    def test_the_permission_is_asked_before_a_line_leaves(self, positions):
        response = APIClient().get("/positions/export/")
        assert response.status_code in (401, 403)
        assert not response.streaming

    def test_memory_stays_flat_while_the_list_of_the_same_rows_grows(self, client, positions):
        vehicle = positions[0].vehicle
        Position.objects.bulk_create(Position(vehicle=vehicle, speed=1) for _ in range(5000))

        def peak(work):
            tracemalloc.start()
            work()
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

        def stream():
            for _ in client.get("/positions/export/").streaming_content:
                pass

        def whole():
            ORJSONRenderer().render(PositionRowSerializer(position_rows(), many=True).data)

        assert peak(stream) * 2 < peak(whole)

    def test_streaming_runs_the_serializer_as_often_as_a_list_does(self, client, positions):
        streamed = calls(lambda: client.get("/positions/export/").getvalue(), "fleet/serializers.py")
        at_once = calls(
            lambda: PositionRowSerializer(position_rows(), many=True).data, "fleet/serializers.py"
        )
        assert streamed == at_once == len(positions)

    def test_an_error_in_mid_stream_comes_after_the_status_200(self, client, positions, monkeypatch):
        def broken(self, row):
            if row["id"] == positions[0].pk:
                raise ValueError("bad row")
            return {"id": row["id"]}

        monkeypatch.setattr(PositionRowSerializer, "to_representation", broken)
        response = client.get("/positions/export/")
        assert response.status_code == 200
        received = []
        with pytest.raises(ValueError, match="bad row"):
            received.extend(response.streaming_content)
        assert len(received) == len(positions) - 1

    def test_under_asgi_a_sync_generator_is_collected_before_the_first_line_leaves(self):
        made = []

        def lines():
            for number in range(100):
                made.append(number)
                yield b"{}\n"

        async def first_line(content):
            return await anext(aiter(StreamingHttpResponse(content)))

        with pytest.warns(Warning, match="must consume synchronous iterators"):
            asyncio.run(first_line(lines()))
        assert len(made) == 100

        async def async_lines():
            for number in range(100):
                made.append(number)
                yield b"{}\n"

        made.clear()
        asyncio.run(first_line(async_lines()))
        assert len(made) == 1

    def test_drf_has_no_streaming_response(self):
        assert not [name for name in dir(rest_framework.response) if "stream" in name.lower()]


class TestMistakes:
    def test_bare_values_change_the_type_of_decimals_in_drfs_encoder(self, positions):
        class Bare(APIView):
            renderer_classes = (JSONRenderer,)

            def get(self, request):
                return Response(position_rows())

        body = json.loads(Bare.as_view()(APIRequestFactory().get("/")).render().content)
        promised = PositionSerializer(objects(), many=True).data
        assert isinstance(promised[0]["speed"], str)
        assert isinstance(body[0]["speed"], float)

    def test_a_serializer_inside_a_method_field_builds_its_fields_for_each_row(self, positions):
        built = []

        class VehicleSerializer(serializers.ModelSerializer):
            class Meta:
                model = Vehicle
                fields = ("id", "plate")

            def get_fields(self):
                built.append(self)
                return super().get_fields()

        class Naive(serializers.Serializer):
            vehicle = serializers.SerializerMethodField()

            def get_vehicle(self, position):
                return VehicleSerializer(position.vehicle).data

        class Nested(serializers.Serializer):
            vehicle = VehicleSerializer()

        naive = Naive(objects(), many=True).data
        assert len(built) == len(positions)
        built.clear()
        assert Nested(objects(), many=True).data == naive
        assert len(built) == 1

    def test_orjson_makes_nan_null_where_drf_refuses(self):
        assert ORJSONRenderer().render({"speed": float("nan")}) == b'{"speed":null}'
        with pytest.raises(ValueError, match="not JSON compliant"):
            JSONRenderer().render({"speed": float("nan")})

    def test_orjson_refuses_integers_beyond_64_bits(self):
        assert JSONRenderer().render({"n": 2**64}) == b'{"n":18446744073709551616}'
        with pytest.raises(TypeError, match="64-bit"):
            ORJSONRenderer().render({"n": 2**64})

    def test_the_package_makes_a_bare_timedelta_null(self):
        late = {"late": timedelta(minutes=2)}
        assert JSONRenderer().render(late) == b'{"late":"120.0"}'
        assert ORJSONRenderer().render(late) == b'{"late":null}'
