"""Django's settings are read past Django's own way where one is not there: with the same result."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings, Settings, UserSettingsHolder, global_settings, settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from dockerflow.django import conf

NAMES = ("DOCKERFLOW_CHECK_TIMEOUT", "DOCKERFLOW_VERSION_CALLBACK", "BASE_DIR", "DEBUG", "no_such")


def assert_same() -> None:
    """Compare with what Django says, for settings that are there and for some that are not."""
    for name in NAMES:
        assert conf.setting(name, "none") == getattr(settings, name, "none"), name
        assert conf.setting(name) == getattr(settings, name, None), name


@contextmanager
def layers(bottom: Any) -> Generator[None]:
    """Put other settings in place, under layers as override_settings makes them."""
    before = settings._wrapped
    try:
        settings._wrapped = UserSettingsHolder(bottom)
        yield
    finally:
        settings._wrapped = before


def dynamic_module() -> types.ModuleType:
    found = types.ModuleType("dynamic")
    found.__getattr__ = lambda name: f"made {name}"  # type: ignore[method-assign]
    return found


class Computed:
    DEBUG = False

    def __getattr__(self, name: str) -> str:
        return f"computed {name}"


class OwnSettings(Settings):
    def __init__(self) -> None:
        self.DEBUG = True

    def __getattr__(self, name: str) -> str:
        return f"own {name}"


class OwnLayer(UserSettingsHolder):
    def __getattr__(self, name: str) -> str:
        return f"layer {name}"


@pytest.mark.parametrize(
    "bottom",
    [
        lambda: global_settings,
        lambda: types.ModuleType("empty"),
        dynamic_module,
        Computed,
        OwnSettings,
        lambda: OwnLayer(global_settings),
        lambda: UserSettingsHolder(UserSettingsHolder(global_settings)),
    ],
)
def test_kinds_of_settings(bottom: Callable[[], Any]) -> None:
    """Whatever the settings are made of, a setting is what Django says."""
    assert_same()
    with layers(bottom()):
        assert_same()
        with override_settings(DOCKERFLOW_CHECK_TIMEOUT=3):
            assert_same()


def test_overridden_and_deleted() -> None:
    """A setting that is set, overridden, deleted or given back is what it is at that moment."""
    name = "DOCKERFLOW_CHECK_TIMEOUT"
    seen: list[Any] = []
    with ExitStack() as stack:
        for value in (1, 2):
            stack.enter_context(override_settings(**{name: value}))
            seen.append(conf.setting(name, 5))
        del settings.DOCKERFLOW_CHECK_TIMEOUT
        seen.append(conf.setting(name, 5))
        assert_same()
        with override_settings(DOCKERFLOW_VERSION_CALLBACK="acme.version"):
            seen.append(conf.setting(name, 5))
            assert_same()
        settings.DOCKERFLOW_CHECK_TIMEOUT = 3
        seen.append(conf.setting(name, 5))
        assert_same()
    seen.append(conf.setting(name, 5))
    assert seen == [1, 2, 5, 5, 3, 5]


def test_patched_setting() -> None:
    """A setting that a test patches into Django's object is found."""
    with mock.patch.object(settings, "DOCKERFLOW_VERSION_CALLBACK", "patched", create=True):
        assert conf.setting("DOCKERFLOW_VERSION_CALLBACK") == "patched"
        assert_same()
    assert_same()


def test_settings_that_are_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none are loaded yet, Django is asked, which loads them or says what is missing."""
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    unloaded = LazySettings()
    with (
        mock.patch.object(conf, "settings", unloaded),
        mock.patch.object(conf, "_in_force", vars(unloaded)),
        pytest.raises(ImproperlyConfigured, match="settings are not configured"),
    ):
        conf.setting("BASE_DIR")


# ---------------------------------------------------------------------- those of requests


def assert_fresh() -> conf.RequestSettings:
    """Compare what is remembered with what is read now, and return it."""
    remembered = conf.request_settings()
    fresh = conf.RequestSettings(settings._wrapped)
    for name in ("header", "meta_key", "header_key", "logs_query", "exclude_paths"):
        assert getattr(remembered, name) == getattr(fresh, name), name
    assert conf.request_settings() is remembered  # as nothing has changed
    return remembered


@pytest.mark.parametrize("loaded", [True, False])
def test_settings_of_requests(loaded: bool) -> None:
    """The settings of requests are remembered until one is set, changed, deleted or overridden."""
    bottom: Any = global_settings
    if loaded:  # as by DJANGO_SETTINGS_MODULE, which makes a layer of its own kind
        bottom = Settings.__new__(Settings)
        bottom.__dict__.update(SETTINGS_MODULE="mine", DEBUG=False, _explicit_settings=set())
    before = settings._wrapped
    settings._wrapped = bottom if loaded else UserSettingsHolder(bottom)
    try:
        assert assert_fresh().header_key == "x-request-id"
        settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Mine"
        assert assert_fresh().header_key == "x-mine"
        settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Other"
        assert assert_fresh().header_key == "x-other"
        settings.DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER = "off"
        settings.UNRELATED = 1
        assert assert_fresh().header_key is None
        del settings.UNRELATED, settings.DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER
        with override_settings(DOCKERFLOW_SUMMARY_LOG_QUERYSTRING=True):
            assert assert_fresh().logs_query
            del settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME
            assert assert_fresh().header == "X-Request-ID"
            del settings.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING
            settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Third"
            found = assert_fresh()
            assert (found.header, found.logs_query) == ("X-Third", False)
        assert assert_fresh().header == "X-Other"
        with override_settings(UNRELATED=1):
            del settings.UNRELATED
            assert_fresh()
            settings.UNRELATED = 2
            del settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME
            assert assert_fresh().header == "X-Request-ID"
        del settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME
        assert assert_fresh().header == "X-Request-ID"
    finally:
        settings._wrapped = before
    assert_fresh()
