"""All settings.  The environment is read here and nowhere else; `.env.example` lists it."""

from __future__ import annotations

from pathlib import Path

from config import database, environment, logs, secrets

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.read(BASE_DIR / ".env")
VAR_DIR = (BASE_DIR / env.text("VAR_DIR", default="var")).resolve()

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", default="") or secrets.kept_in(VAR_DIR / "secrets" / "secret_key")
CREDENTIALS_KEYS = secrets.fernet_keys(env.names("CREDENTIALS_KEYS"), VAR_DIR / "secrets" / "credentials_key")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default="localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
PUBLIC_URL = env.text("PUBLIC_URL", default="").rstrip("/")
WORKER_CONCURRENCY = env.count("WORKER_CONCURRENCY", default=300)
DRAIN_S = env.seconds("DRAIN_S", default=20)

DATABASES = {
    "default": database.settings_for(
        env.text("DATABASE_URL", default=""),
        var_dir=VAR_DIR,
        pool_size=env.count("DATABASE_POOL_SIZE", default=20),
    )
}

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "procrastinate.contrib.django",
    "config",
    "bots",
    "conversations",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
