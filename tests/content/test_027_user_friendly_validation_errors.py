"""Scenario 27: wrong input of each kind is sent, and what the user gets to read is compared word for word."""

import datetime
import struct

import pytest
from booking.models import Booking
from booking.serializers import BookingSerializer, SeatsField
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_lazy
from rest_framework import serializers
from rest_framework.test import APIClient
from rest_framework.validators import UniqueTogetherValidator

pytestmark = pytest.mark.django_db

GOOD = {"room": "Blue", "day": "2999-01-31", "seats": 4}
SEATS_IN_DIGITS = "Enter the number of seats in digits, such as 4."
SITZE_IN_ZIFFERN = "Geben Sie die Zahl der Plätze in Ziffern an, etwa 4."


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


def post(client, **change):
    body = {**GOOD, **change}
    return client.post("/bookings/", {k: v for k, v in body.items() if v is not ...}, format="json")


def in_days(days):
    return (timezone.localdate() + datetime.timedelta(days=days)).isoformat()


class TestTheTexts:
    @pytest.mark.parametrize(
        ("field", "value", "code", "text"),
        [
            ("seats", ..., "required", "Tell us how many seats you need."),
            ("seats", "many", "invalid", SEATS_IN_DIGITS),
            ("seats", 4.5, "invalid", SEATS_IN_DIGITS),
            ("seats", 0, "min_value", "Book at least 1 seat."),
            ("seats", 99, "max_value", "We seat up to 12 people. For more, please call us."),
            ("room", ..., "required", "Choose a room."),
            ("room", None, "null", "Choose a room."),
            ("room", "", "blank", "Choose a room."),
            ("room", "x" * 33, "max_length", "Use at most 32 characters."),
            ("day", ..., "required", "Choose a day."),
            ("day", "soon", "invalid", "Write the day as 2027-01-31."),
            ("day", "2001-01-31", "past", "This day has passed. Choose a later one."),
            ("voucher", "10 %", "invalid", "Use letters and numbers only."),
        ],
    )
    def test_each_built_in_text_is_replaced_and_its_code_kept(self, client, field, value, code, text):
        response = post(client, **{field: value})
        assert response.status_code == 400
        assert response.json() == {field: [text]}
        assert response.data[field][0].code == code

    def test_a_good_booking_is_accepted(self, client):
        assert post(client).status_code == 201

    def test_a_rule_over_two_fields_is_a_non_field_error(self, client):
        response = post(client, day=in_days(1), seats=7)
        assert response.status_code == 400
        assert response.json() == {"non_field_errors": ["Groups of more than 6 book two days ahead."]}
        assert response.data["non_field_errors"][0].code == "short_notice"
        assert post(client, day=in_days(2), seats=7).status_code == 201

    def test_the_rule_holds_for_a_patch_of_one_of_the_fields(self, client):
        address = f"/bookings/{post(client, day=in_days(1)).json()['id']}/"
        assert client.patch(address, {"seats": 5}).status_code == 200
        assert client.patch(address, {"seats": 7}).status_code == 400

    def test_it_waits_until_all_fields_are_valid(self, client):
        assert set(post(client, day=in_days(1), seats=7, voucher="10 %").json()) == {"voucher"}

    def test_a_taken_room_has_the_text_of_the_constraint(self, client):
        post(client)
        assert post(client).json() == {
            "non_field_errors": ["This room is taken on that day. Choose another day."]
        }

    def test_in_drf_3_16_the_validator_in_the_serializer_brings_that_text(self, client):
        post(client)

        class Serializer(serializers.ModelSerializer):
            class Meta:
                model = Booking
                fields = ("room", "day", "seats")
                validators = (
                    UniqueTogetherValidator(
                        queryset=Booking.objects.all(), fields=["room", "day"], message="Taken."
                    ),
                )

        serializer = Serializer(data=GOOD)
        assert not serializer.is_valid()
        assert serializer.errors == {"non_field_errors": ["Taken."]}

    def test_a_dict_blames_one_field(self):
        class Serializer(serializers.Serializer):
            day = serializers.DateField()

            def validate(self, attrs):
                raise serializers.ValidationError({"day": "Too soon."})

        assert errors_of(Serializer, day="2999-01-31") == {"day": ["Too soon."]}


def errors_of(serializer_class, **data):
    serializer = serializer_class(data=data)
    assert not serializer.is_valid()
    return serializer.errors


class TestMistakes:
    def test_validate_field_never_sees_what_the_built_in_checks_refuse(self):
        class Naive(serializers.Serializer):
            seats = serializers.IntegerField()

            def validate_seats(self, value):
                raise serializers.ValidationError("Enter a number.")

        assert errors_of(Naive, seats="many") == {"seats": ["A valid integer is required."]}
        assert errors_of(Naive, seats="4") == {"seats": ["Enter a number."]}

    def test_detail_becomes_a_field_with_a_list(self):
        class Naive(serializers.Serializer):
            def validate(self, attrs):
                raise serializers.ValidationError({"detail": "Too late."})

        assert errors_of(Naive) == {"detail": ["Too late."]}

    def test_where_the_other_errors_of_drf_have_a_string(self, client):
        assert client.get("/bookings/0/").json() == {"detail": "No Booking matches the given query."}

    def test_extra_kwargs_do_not_reach_a_declared_field(self):
        class Naive(serializers.ModelSerializer):
            seats = serializers.IntegerField()

            class Meta:
                model = Booking
                fields = ("seats",)
                extra_kwargs = {"seats": {"error_messages": {"invalid": "Enter a number."}}}

        assert errors_of(Naive, seats="many") == {"seats": ["A valid integer is required."]}

    def test_invalid_of_the_serializer_does_not_reach_a_validator_of_the_model(self):
        class Naive(serializers.ModelSerializer):
            class Meta:
                model = Booking
                fields = ("voucher",)
                extra_kwargs = {"voucher": {"error_messages": {"invalid": "My text."}}}

        assert errors_of(Naive, voucher="10 %") == {"voucher": ["Use letters and numbers only."]}

    def test_a_key_that_a_patch_lacks_is_a_500(self, client, monkeypatch):
        address = f"/bookings/{post(client).json()['id']}/"
        monkeypatch.setattr(
            BookingSerializer, "validate", lambda self, attrs: attrs if attrs["day"] else None
        )
        assert client.patch(address, {"seats": 5}).status_code == 500


class TestTheCallersLanguage:
    @pytest.fixture
    def german(self, tmp_path, settings):
        """A catalogue with one text, as compilemessages would leave it."""
        folder = tmp_path / "de" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        header = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
        (folder / "django.mo").write_bytes(catalogue({"": header, SEATS_IN_DIGITS: SITZE_IN_ZIFFERN}))
        settings.LOCALE_PATHS = [tmp_path]

    def test_a_lazy_text_comes_in_the_language_of_the_request(self, client, german):
        with translation.override("de"):
            assert post(client, seats="many").json() == {"seats": [SITZE_IN_ZIFFERN]}
        assert post(client, seats="many").json() == {"seats": [SEATS_IN_DIGITS]}

    @pytest.mark.parametrize(
        ("translate", "read"), [(gettext, SEATS_IN_DIGITS), (gettext_lazy, SITZE_IN_ZIFFERN)]
    )
    def test_gettext_at_class_level_stays_in_the_default_language(self, german, translate, read):
        class Serializer(serializers.Serializer):
            seats = serializers.IntegerField(error_messages={"invalid": translate(SEATS_IN_DIGITS)})

        with translation.override("de"):
            assert str(errors_of(Serializer, seats="many")["seats"][0]) == read

    def test_a_text_in_a_field_class_is_lazy_too(self, german):
        with translation.override("de"):
            assert str(SeatsField().error_messages["invalid"]) == SITZE_IN_ZIFFERN


def catalogue(texts):
    """A .mo file: the header, then for each text its length and place, then the texts."""
    ids, strings = zip(
        *((k.encode() + b"\0", v.encode() + b"\0") for k, v in sorted(texts.items())), strict=True
    )
    tables, data, start = [], b"", 28 + 16 * len(texts)
    for text in ids + strings:
        tables += [len(text) - 1, start + len(data)]
        data += text
    header = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, 0)
    return header + struct.pack(f"<{len(tables)}I", *tables) + data
