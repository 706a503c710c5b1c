"""Keys and tokens: where they may come from, and that they are never repeated."""

import pickle

import pytest
from pydantic import SecretStr

from sensor_tui.config import MASK, as_dict, to_yaml
from sensor_tui.errors import ConfigError

WRONG_KEY = "correct-horse-battery-staple"


@pytest.fixture
def key_file(write, key):
    path = write(f"\n{key}\n", "secret/cosmos.key")
    path.chmod(0o600)
    return path


def test_key_from_a_file(read, key_file, key):
    loaded = read("cosmos: {key_file: secret/cosmos.key}")
    assert loaded.settings.cosmos.key.get_secret_value() == key
    assert loaded.settings.cosmos.key_file == key_file
    assert loaded.sources["cosmos.key"] == f"key file {key_file}"
    assert loaded.notices == ()
    assert loaded.files == (loaded.path, key_file)


def test_key_file_from_the_environment(read, key_file, key):
    assert read(env={"COSMOS_KEY_FILE": str(key_file)}).settings.cosmos.key.get_secret_value() == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_others_may_read_is_told(read, key_file, mode):
    key_file.chmod(mode)
    [notice] = read("cosmos: {key_file: secret/cosmos.key}").notices
    assert notice == (
        "sensor-tui.yaml:1: cosmos.key_file: others may read 'secret/cosmos.key'"
        f" (mode {mode:04o}); chmod 600 it"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            None,
            "environment: COSMOS_KEY_FILE: 'secret/cosmos.key': cannot be read: No such file or directory",
        ),
        ("", "environment: COSMOS_KEY_FILE: 'secret/cosmos.key' is empty, the account key is expected"),
        (" \n", "environment: COSMOS_KEY_FILE: 'secret/cosmos.key' is empty, the account key is expected"),
        (
            WRONG_KEY,
            "key file 'secret/cosmos.key': COSMOS_KEY_FILE: this is not an account key (base64 is expected)",
        ),
    ],
)
def test_a_key_file_without_a_key(refusal, key_file, content, said):
    key_file.unlink()
    if content is not None:
        key_file.write_text(content)
    assert refusal(env={"COSMOS_KEY_FILE": "secret/cosmos.key"}) == [said]


def test_a_key_given_as_key_file_is_not_repeated(refusal, key):
    [line] = refusal(f"cosmos: {{key_file: '{key}'}}")
    assert key not in line


def test_key_and_key_file_of_one_origin_have_to_agree(read, refusal, key_file, key):
    env = {"COSMOS_KEY_FILE": str(key_file), "COSMOS_KEY": key}
    assert read(env=env).settings.cosmos.key.get_secret_value() == key
    assert refusal(env=env | {"COSMOS_KEY": "b3RoZXI="}) == [
        "environment: COSMOS_KEY and COSMOS_KEY_FILE differ; keep one of them"
    ]


def test_the_stronger_origin_decides_about_key_and_key_file(read, key_file):
    loaded = read("cosmos: {key_file: secret/none}", env={"COSMOS_KEY": "b3RoZXI="})
    assert loaded.settings.cosmos.key.get_secret_value() == "b3RoZXI="
    assert loaded.settings.cosmos.key_file is None
    loaded = read("cosmos: {key: b3RoZXI=}", env={"COSMOS_KEY_FILE": str(key_file)})
    assert loaded.settings.cosmos.key.get_secret_value() != "b3RoZXI="


def test_connection_string(read, key):
    text = f"AccountEndpoint=https://a.example:443/;AccountKey={key};"
    for loaded in (
        read(env={"COSMOS_CONNECTION_STRING": text}),
        read(f"cosmos: {{connection_string: '{text}'}}"),
    ):
        assert loaded.settings.cosmos.endpoint == "https://a.example:443"
        assert loaded.settings.cosmos.key.get_secret_value() == key


def test_connection_string_against_another_endpoint_is_refused(refusal, key):
    text = f"AccountEndpoint=https://a.example/;AccountKey={key};"
    [line] = refusal(env={"COSMOS_CONNECTION_STRING": text, "COSMOS_ENDPOINT": "https://b.example"})
    assert line == "environment: COSMOS_ENDPOINT and COSMOS_CONNECTION_STRING differ; keep one of them"


def test_with_aad_no_key_is_used_or_read(read):
    loaded = read("cosmos: {auth: aad, key_file: /nowhere}", env={"COSMOS_KEY": "b3RoZXI="})
    assert loaded.settings.cosmos.key is None
    assert loaded.settings.cosmos.key_file is None
    assert loaded.notices == ("cosmos.auth is aad: the account key is not used",)


@pytest.mark.parametrize(
    "text",
    [
        "cosmos: {key: SECRET}",
        "cosmos: {connection_string: SECRET}",
        "cosmos: {connection_string: 'AccountKey=SECRET'}",
        "cosmos: {endpoint: 'AccountEndpoint=https://a;AccountKey=SECRET'}",
        "cosmos: {endpoint: 'https://u:AccountKey=SECRET@host'}",
        "cosmos: {key: [SECRET]}",
        "cosmos: {key: {a: SECRET}}",
        "cosmos: {kye: SECRET}",
        "cosmos: AccountKey=SECRET",
        "service: {token: 'SECRET with spaces'}",
        "service: {token: [SECRET]}",
        "cosmos: {key: SECRET, key: other}",
        "cosmos: {key: !vault SECRET}",
        "cosmos: {key: 'SECRET${NOPE}'}",
    ],
)
def test_no_error_repeats_a_secret(read, text):
    with pytest.raises(ConfigError) as caught:
        read(text.replace("SECRET", WRONG_KEY))
    error = caught.value
    assert WRONG_KEY not in str(error) + repr(error) + repr(error.args)
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("name", ["COSMOS_KEY", "SENSOR_TUI__SERVICE__TOKEN", "COSMOS_CONNECTION_STRING"])
def test_no_error_repeats_a_secret_variable(refusal, name):
    assert not [line for line in refusal(env={name: f"{WRONG_KEY} x"}) if WRONG_KEY in line]


def test_secrets_are_in_no_text_form(read, key, key_file):
    token = "token-that-nobody-sees"
    loaded = read(
        f"cosmos: {{key_file: secret/cosmos.key}}\nservice: {{token: {token}, listen: '[::1]:80'}}",
        env={"UNRELATED": "unrelated-secret"},
    )
    texts = [
        repr(loaded),
        str(loaded.settings),
        repr(loaded.settings),
        to_yaml(loaded),
        loaded.settings.model_dump_json(),
    ]
    for text in (*texts, str(as_dict(loaded.settings))):
        assert key not in text
        assert token not in text
        assert "unrelated-secret" not in text
    assert to_yaml(loaded).count(MASK) == 2


def test_secrets_on_request(read, key):
    settings = read(env={"COSMOS_KEY": key}).settings
    assert as_dict(settings)["cosmos"]["key"] == MASK
    assert as_dict(settings, secrets=True)["cosmos"]["key"] == key
    assert as_dict(read().settings)["cosmos"]["key"] is None


def test_settings_travel_to_another_process(read, key):
    settings = read(env={"COSMOS_KEY": key}).settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_secret_option_stays_one(read, key):
    loaded = read(
        overrides={"cosmos.connection_string": SecretStr(f"AccountEndpoint=https://a;AccountKey={key}")}
    )
    assert loaded.settings.cosmos.key.get_secret_value() == key
    assert key not in repr(loaded)
