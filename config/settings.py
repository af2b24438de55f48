"""All settings.  The environment is read here and nowhere else; `.env.example` lists it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers
from django.urls import reverse_lazy
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from config import database, environment, logs, secrets

BASE_DIR = Path(__file__).resolve().parent.parent

ATTACHMENTS = "jpg,jpeg,png,gif,webp,pdf,txt,csv,doc,docx,xls,xlsx,ppt,pptx,zip,mp3,mp4"

env = environment.read(BASE_DIR / ".env")
VAR_DIR = (BASE_DIR / env.text("VAR_DIR", default="var")).resolve()

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", default="") or secrets.kept_in(VAR_DIR / "secrets" / "secret_key")
CREDENTIALS_KEYS = secrets.fernet_keys(env.names("CREDENTIALS_KEYS"), VAR_DIR / "secrets" / "credentials_key")
PUBLIC_URL = env.address("PUBLIC_URL")  # where the outside reaches us; "" if that is not known
# Where voice services ask our brain.  Without a PUBLIC_URL: where `serve` listens, good on one machine.
OWN_URL = PUBLIC_URL or env.address("SERVED_AT")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", default="localhost,127.0.0.1")
if PUBLIC_URL:
    ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
CSRF_TRUSTED_ORIGINS = env.addresses("CSRF_TRUSTED_ORIGINS")
WORKER_CONCURRENCY = env.count("WORKER_CONCURRENCY", default=300)
DRAIN_S = env.seconds("DRAIN_S", default=20)
RECONCILE_DAYS = env.count("RECONCILE_DAYS", default=7)  # how far back missed messages are looked for
KEEP_CALLBACKS_DAYS = env.days("KEEP_CALLBACKS_DAYS", default=30)
KEEP_DELIVERIES_DAYS = env.days("KEEP_DELIVERIES_DAYS", default=7)
KEEP_MESSAGES_DAYS = env.days("KEEP_MESSAGES_DAYS", default=0)
# What operators send besides words: by the endings of names, and no more than pages take (`config.doors`).
ATTACHMENT_TYPES = env.names("ATTACHMENT_TYPES", default=ATTACHMENTS)
ATTACHMENT_MAX_MB = env.count("ATTACHMENT_MAX_MB", default=10, highest=19)
TRACES_URL = env.address("TRACES_URL")  # of an OpenTelemetry collector; "": nothing is traced
TRACES_SHARE = env.share("TRACES_SHARE", default=1.0)
METRICS_TOKEN = env.text("METRICS_TOKEN", default="")  # whose bearer may read /metrics
ALLOW_REAL_MODELS = True  # False: asking a model that is not on this machine is an error
# Where the addresses of clouds, models and hooks that admins enter may lead besides the Internet.
PRIVATE_NETWORKS = env.networks("PRIVATE_NETWORKS", default="127.0.0.0/8,::1")
MAILERS = env.mailers("EMAIL_URL", default="smtp://localhost")
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", default="parley@localhost")
LOGGING = logs.configure(
    form=env.choice("LOG_FORMAT", logs.FORMATS, default="console"),
    level=env.choice("LOG_LEVEL", logs.LEVELS, default="INFO"),
)

DATABASES = {
    "default": database.settings_for(
        env.text("DATABASE_URL", default=""),
        var_dir=VAR_DIR,
        pool_size=env.count("DATABASE_POOL_SIZE", default=20),
    )
}

# Operators' files need a storage that all machines share; another than a folder can stand here.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "attachments": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": BASE_DIR / env.text("ATTACHMENTS_DIR", default=str(VAR_DIR / "attachments")),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
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
    "corsheaders",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "axes",
    "config",
    "metrics",
    "audit",
    "bots",
    "logins",
    "conversations",
    "agents",
    "alerts",
    "webhooks",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
PROCRASTINATE_IMPORT_PATHS = ["conversations.chores"]  # tasks outside the apps' `tasks` modules
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],  # goes before the admin theme's
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
# Ahead of the password: whoever has been wrong too often is not even asked.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "logins.backends.PasswordAndCode"]
LOGIN_PAUSE_S = 15 * 60
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_PAUSE_S)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "logins.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "logins.lockout.tell"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the pause ends, whoever goes on trying
AXES_DISABLE_ACCESS_LOG = True  # nobody reads it
AXES_ENABLE_ADMIN = False  # `logins.admin` shows them in the theme
AXES_VERBOSE = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = env.zone("TIME_ZONE", default="UTC")  # whose days and months budgets go by, and pages tell
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]

# The web process serves the static files where they lie: nothing to collect, no other server needed.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

# Behind a proxy that speaks https, which PUBLIC_URL tells and `config.checks` asks for.  The proxy also
# sends plain http elsewhere: done here, that would turn probes away.  Django's own checks would ask for
# each of these settings, and for a policy over all subdomains, which is for the domain's owner to decide.
IS_HTTPS = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if IS_HTTPS else 0
SESSION_COOKIE_AGE = env.count("SESSION_HOURS", default=24 * 7) * 3600  # from the login on
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SILENCED_SYSTEM_CHECKS = [f"security.W{number}" for number in ("004", "005", "008", "012", "016", "021")]
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.UNSAFE_INLINE, CSP.UNSAFE_EVAL],  # the admin theme's Alpine needs both
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:", "blob:", "https:"],  # users' pictures lie at the vendors
    "media-src": [CSP.SELF, "https:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.SELF],  # the admin adds related objects in a frame
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],  # closed until opened
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "conversations.api.errors.handle",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# At one web process: of one key; of one session's user tokens.
API_RATE = f"{env.count('API_REQUESTS_PER_MINUTE', default=6000)}/min"
API_CLIENT_RATE = f"{env.count('API_CLIENT_REQUESTS_PER_MINUTE', default=60)}/min"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # a key or session that asked lately has one, and loses none
    }
}
# Origins of apps' pages that call the API from a browser, by user tokens: no cookie goes along.
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/v1/"
CORS_ALLOW_HEADERS = (*default_headers, "idempotency-key")
CORS_EXPOSE_HEADERS = ("Retry-After",)
SPECTACULAR_SETTINGS = {
    "TITLE": "Parley",
    "DESCRIPTION": "Chats of an app's users with its robots: open them, speak, read, take over.",
    "VERSION": "1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "conversations.api.description.add_errors",
    ],
    "ENUM_NAME_OVERRIDES": {
        name: f"conversations.models.{choices}"
        for name, choices in {
            "SessionKind": "Session.Kind",
            "SessionState": "Session.State",
            "ConversationKind": "Conversation.Kind",
            "ConversationState": "Conversation.Owner",
            "MessageKind": "Message.Kind",
            "MessageState": "Message.State",
            "Sender": "Message.Sender",
        }.items()
    },
    "SWAGGER_UI_DIST": "SIDECAR",  # served from here: pages load nothing from elsewhere
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
UNFOLD = {
    "SITE_TITLE": "Parley",
    "SITE_HEADER": "Parley",
    "SITE_SYMBOL": "forum",
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "config.dashboard.add_figures",
    "LOGIN": {"form": "logins.forms.AdminLogin"},
    "ACCOUNT": {
        "navigation": [{"title": _("Second factor"), "link": reverse_lazy("second-factor")}],
    },
    "SIDEBAR": {"show_search": True, "navigation": "config.navigation.navigation"},
}
