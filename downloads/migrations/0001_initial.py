"""All tables of the first release, and their triggers."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import downloads.models.preferences
import downloads.rules.states
from downloads.migrations._triggers import install, remove


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Counts",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "owner_key",
                        "state",
                        "outcome",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("owner_key", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("initializing", "initializing"),
                            ("ready", "ready"),
                            ("downloading", "downloading"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("cleaned", "cleaned"),
                        ],
                        max_length=16,
                    ),
                ),
                ("outcome", models.CharField(blank=True, default="", max_length=16)),
                ("number", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "counts",
            },
        ),
        migrations.CreateModel(
            name="Download",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("correlation_id", models.CharField(max_length=64, unique=True)),
                ("url", models.CharField(max_length=2048)),
                ("site", models.CharField(default="", editable=False, max_length=300)),
                ("title", models.CharField(blank=True, default="", max_length=500)),
                ("extractor", models.CharField(blank=True, default="", max_length=100)),
                ("media_id", models.CharField(blank=True, default="", max_length=300)),
                ("media", models.JSONField(blank=True, default=dict)),
                ("options", models.JSONField(default=dict)),
                ("fingerprint", models.CharField(editable=False, max_length=64)),
                ("priority", models.SmallIntegerField(default=0)),
                ("batch", models.CharField(blank=True, editable=False, max_length=32, null=True)),
                ("place", models.IntegerField(default=0, editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("initializing", "initializing"),
                            ("ready", "ready"),
                            ("downloading", "downloading"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("cleaned", "cleaned"),
                        ],
                        default=downloads.rules.states.State["CREATED"],
                        max_length=16,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                (
                    "result",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("files", "files"),
                            ("listing", "listing"),
                            ("have_it", "have_it"),
                            ("checked", "checked"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("list_depth", models.PositiveSmallIntegerField(default=0)),
                ("is_again", models.BooleanField(default=False)),
                ("remux_of", models.CharField(editable=False, max_length=64, null=True)),
                (
                    "error_class",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("network", "network"),
                            ("rate_limited", "rate_limited"),
                            ("forbidden", "forbidden"),
                            ("unavailable", "unavailable"),
                            ("login_required", "login_required"),
                            ("geo_blocked", "geo_blocked"),
                            ("drm", "drm"),
                            ("unsupported", "unsupported"),
                            ("extractor_broken", "extractor_broken"),
                            ("js_runtime_missing", "js_runtime_missing"),
                            ("ffmpeg_missing", "ffmpeg_missing"),
                            ("format_unavailable", "format_unavailable"),
                            ("live_not_started", "live_not_started"),
                            ("stalled", "stalled"),
                            ("timed_out", "timed_out"),
                            ("too_large", "too_large"),
                            ("disk_full", "disk_full"),
                            ("incomplete", "incomplete"),
                            ("policy_blocked", "policy_blocked"),
                            ("tls", "tls"),
                            ("storage", "storage"),
                            ("worker_lost", "worker_lost"),
                            ("internal", "internal"),
                        ],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("error_data", models.JSONField(blank=True, default=dict)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("uncounted", models.PositiveIntegerField(default=0)),
                ("max_attempts", models.PositiveIntegerField(default=3)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("paused_at", models.DateTimeField(editable=False, null=True)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested_by", models.CharField(blank=True, default="", max_length=200)),
                ("keep_requested_by", models.CharField(blank=True, default="", max_length=200)),
                ("directory", models.CharField(blank=True, default="", max_length=160)),
                ("carried", models.CharField(blank=True, default="", max_length=160)),
                ("library_path", models.CharField(blank=True, default="", max_length=255)),
                ("manifest", models.JSONField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("forgotten_at", models.DateTimeField(editable=False, null=True)),
                ("history_days", models.PositiveIntegerField(editable=False, null=True)),
                (
                    "have",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="downloads.download",
                    ),
                ),
                (
                    "listed_in",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="listed",
                        to="downloads.download",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("cleanup_download", "Can clean up downloads by correlation id")],
            },
        ),
        migrations.CreateModel(
            name="Extractors",
            fields=[
                ("host", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("state", models.JSONField(default=dict)),
                ("mode", models.CharField(default="", max_length=8)),
                ("channel", models.CharField(default="", max_length=8)),
                (
                    "wanted",
                    models.CharField(
                        choices=[("look", "look"), ("update", "update"), ("rollback", "rollback")],
                        max_length=8,
                        null=True,
                    ),
                ),
                ("wanted_at", models.DateTimeField(null=True)),
                ("wanted_by", models.CharField(default="", max_length=200)),
            ],
            options={
                "verbose_name_plural": "extractors",
            },
        ),
        migrations.CreateModel(
            name="Quota",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="quota",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("limit_bytes", models.PositiveBigIntegerField(blank=True, null=True)),
                ("used_bytes", models.PositiveBigIntegerField(default=0, editable=False)),
                ("is_full", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_full", True)), fields=["user"], name="quota_full"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Preferences",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="preferences",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("language", models.CharField(blank=True, default="", max_length=8)),
                (
                    "theme",
                    models.CharField(
                        choices=[
                            ("auto", "auto"),
                            ("light", "light"),
                            ("dark", "dark"),
                            ("contrast", "contrast"),
                        ],
                        default=downloads.models.preferences.Theme["AUTO"],
                        max_length=8,
                    ),
                ),
                (
                    "density",
                    models.CharField(
                        choices=[("compact", "compact"), ("comfortable", "comfortable")],
                        default=downloads.models.preferences.Density["COMPACT"],
                        max_length=12,
                    ),
                ),
                ("shows_pictures", models.BooleanField(default=True)),
                ("shows_facts", models.BooleanField(default=True)),
                ("shows_ages", models.BooleanField(default=True)),
                (
                    "announcements",
                    models.CharField(
                        choices=[("all", "all"), ("failures", "failures"), ("none", "none")],
                        default=downloads.models.preferences.Announcements["ALL"],
                        max_length=8,
                    ),
                ),
                (
                    "motion",
                    models.CharField(
                        choices=[("system", "system"), ("full", "full"), ("reduced", "reduced")],
                        default=downloads.models.preferences.Motion["SYSTEM"],
                        max_length=8,
                    ),
                ),
                ("update_seconds", models.PositiveSmallIntegerField(default=0)),
                ("starts_paused", models.BooleanField(default=False)),
                ("has_notifications", models.BooleanField(default=False)),
                ("has_first_steps", models.BooleanField(default=True)),
                ("has_keys", models.BooleanField(default=True)),
                ("rate_limit", models.PositiveBigIntegerField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "preferences",
            },
        ),
        migrations.CreateModel(
            name="PresetUse",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="preset_use",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("default", models.CharField(blank=True, default="", max_length=180)),
                ("last", models.CharField(blank=True, default="", max_length=180)),
                ("last_changes", models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="Queue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("paused_at", models.DateTimeField(null=True)),
                ("paused_by", models.CharField(blank=True, default="", max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="Site",
            fields=[
                ("host", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "error_class",
                    models.CharField(
                        choices=[
                            ("network", "network"),
                            ("rate_limited", "rate_limited"),
                            ("forbidden", "forbidden"),
                            ("unavailable", "unavailable"),
                            ("login_required", "login_required"),
                            ("geo_blocked", "geo_blocked"),
                            ("drm", "drm"),
                            ("unsupported", "unsupported"),
                            ("extractor_broken", "extractor_broken"),
                            ("js_runtime_missing", "js_runtime_missing"),
                            ("ffmpeg_missing", "ffmpeg_missing"),
                            ("format_unavailable", "format_unavailable"),
                            ("live_not_started", "live_not_started"),
                            ("stalled", "stalled"),
                            ("timed_out", "timed_out"),
                            ("too_large", "too_large"),
                            ("disk_full", "disk_full"),
                            ("incomplete", "incomplete"),
                            ("policy_blocked", "policy_blocked"),
                            ("tls", "tls"),
                            ("storage", "storage"),
                            ("worker_lost", "worker_lost"),
                            ("internal", "internal"),
                        ],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("waits_until", models.DateTimeField(null=True)),
                ("proxy", models.CharField(blank=True, default="", max_length=500)),
                ("rate_limit", models.PositiveBigIntegerField(blank=True, null=True)),
                ("pause_seconds", models.FloatField(blank=True, null=True)),
                ("running_limit", models.PositiveIntegerField(blank=True, null=True)),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SiteStart",
            fields=[
                ("host", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="StreamPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("value", models.BigIntegerField(default=0)),
                ("pruned", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "scope",
                    models.CharField(
                        choices=[("read", "read"), ("write", "read and write")],
                        default="write",
                        max_length=8,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Deletion",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("correlation_id", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["seq"],
            },
        ),
        migrations.CreateModel(
            name="Listing",
            fields=[
                (
                    "download",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="listing",
                        serialize=False,
                        to="downloads.download",
                    ),
                ),
                ("title", models.CharField(blank=True, default="", max_length=500)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("playlist", "playlist"),
                            ("channel", "channel"),
                            ("page", "page"),
                            ("feed", "feed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("is_complete", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="Thumbnail",
            fields=[
                (
                    "download",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="thumbnail",
                        serialize=False,
                        to="downloads.download",
                    ),
                ),
                ("media_type", models.CharField(max_length=32)),
                ("content", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Reaction",
            fields=[
                (
                    "name",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("seq", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="LibraryEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("correlation_id", models.CharField(max_length=64, unique=True)),
                ("path", models.CharField(max_length=255, unique=True)),
                ("url", models.CharField(max_length=2048)),
                ("site", models.CharField(max_length=300)),
                ("title", models.CharField(max_length=500)),
                ("published_at", models.DateTimeField()),
                (
                    "download",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="entry",
                        to="downloads.download",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "library entries",
                "ordering": ["-published_at"],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120, unique=True)),
                ("host", models.CharField(max_length=255)),
                ("pid", models.PositiveIntegerField()),
                ("pid_started", models.BigIntegerField(default=0)),
                ("boot_id", models.CharField(default="", max_length=64)),
                ("slots", models.PositiveIntegerField()),
                ("version", models.CharField(default="", max_length=64)),
                ("yt_dlp", models.CharField(default="", max_length=64)),
                ("cpu_percent", models.FloatField(null=True)),
                ("memory_bytes", models.BigIntegerField(null=True)),
                ("clock_ahead_seconds", models.FloatField(default=0.0)),
                ("orphans_mended", models.PositiveIntegerField(default=0)),
                ("orphans_left", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("heartbeat_at", models.DateTimeField()),
                ("stopped_at", models.DateTimeField(null=True)),
                ("draining_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["heartbeat_at"], name="worker_heartbeat")],
            },
        ),
        migrations.AddField(
            model_name="download",
            name="worker",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to="downloads.worker",
            ),
        ),
        migrations.CreateModel(
            name="ArchivedMedia",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("extractor", models.CharField(max_length=100)),
                ("media_id", models.CharField(max_length=300)),
                ("added_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="archive",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "archived media",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "media_id", "extractor"), name="archived_media_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("owner", None)),
                        fields=("media_id", "extractor"),
                        name="archived_media_of_nobody_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("extractor", models.CharField(blank=True, default="", max_length=100)),
                ("media_id", models.CharField(blank=True, default="", max_length=300)),
                ("url", models.CharField(max_length=2048)),
                ("title", models.CharField(blank=True, default="", max_length=500)),
                ("duration_seconds", models.FloatField(null=True)),
                ("uploaded_at", models.DateTimeField(null=True)),
                ("is_live", models.BooleanField(default=False)),
                ("is_list", models.BooleanField(default=False)),
                (
                    "download",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="made_of",
                        to="downloads.download",
                    ),
                ),
                (
                    "listing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="downloads.listing",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "entries",
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="Progress",
            fields=[
                (
                    "download",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="downloads.download",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("phase", models.CharField(max_length=16)),
                ("received_bytes", models.BigIntegerField(default=0)),
                ("resumed_bytes", models.BigIntegerField(default=0)),
                ("total_bytes", models.BigIntegerField(null=True)),
                ("speed", models.FloatField(null=True)),
                ("eta_seconds", models.FloatField(null=True)),
                ("fragment", models.PositiveIntegerField(default=0)),
                ("fragments", models.PositiveIntegerField(default=0)),
                ("entries", models.PositiveIntegerField(default=0)),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "progress",
            },
        ),
        migrations.CreateModel(
            name="AttemptLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("text", models.TextField(blank=True, default="")),
                ("left_out", models.PositiveIntegerField(default=0)),
                ("updated_at", models.DateTimeField()),
                (
                    "download",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="logs",
                        to="downloads.download",
                    ),
                ),
            ],
            options={
                "ordering": ["attempt"],
                "constraints": [
                    models.UniqueConstraint(fields=("download", "attempt"), name="attempt_log_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("host", models.CharField(max_length=255)),
                ("directory", models.CharField(max_length=160, unique=True)),
                ("started_at", models.DateTimeField()),
                ("boot_id", models.CharField(default="", max_length=64)),
                ("child_pid", models.PositiveIntegerField(null=True)),
                ("child_started", models.BigIntegerField(null=True)),
                ("speeds", models.JSONField(default=list)),
                (
                    "download",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="attempts",
                        to="downloads.download",
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=("download", "number"), name="attempt_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotentAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("request_digest", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField()),
                ("body", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key"), name="idempotent_answer_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Preset",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("key", models.CharField(editable=False, max_length=180)),
                ("options", models.JSONField(default=dict)),
                ("is_shared", models.BooleanField(default=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="presets",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["key", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "key"), name="preset_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("is_shared", True)),
                        fields=("key",),
                        name="preset_shared_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PublishedFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("size", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("media_type", models.CharField(max_length=64)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("video", "video"),
                            ("audio", "audio"),
                            ("subtitles", "subtitles"),
                            ("thumbnail", "thumbnail"),
                            ("info", "info"),
                        ],
                        default=downloads.rules.states.Role["VIDEO"],
                        max_length=16,
                    ),
                ),
                ("language", models.CharField(blank=True, default="", max_length=32)),
                (
                    "entry",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="downloads.libraryentry",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("entry", "name"), name="published_file_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("key", models.CharField(editable=False, max_length=180)),
                ("filter", models.CharField(max_length=16)),
                ("text", models.CharField(blank=True, default="", max_length=500)),
                ("sort", models.CharField(max_length=16)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["key"],
                "constraints": [models.UniqueConstraint(fields=("owner", "key"), name="view_once")],
            },
        ),
        migrations.CreateModel(
            name="SiteCookies",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("host", models.CharField(max_length=253)),
                ("sealed", models.BinaryField()),
                ("summary", models.JSONField()),
                ("version", models.PositiveBigIntegerField()),
                ("updated_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="site_cookies",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "cookies of sites",
                "ordering": ["host"],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "host"), name="cookies_of_a_site_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "from_state",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("initializing", "initializing"),
                            ("ready", "ready"),
                            ("downloading", "downloading"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("cleaned", "cleaned"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("initializing", "initializing"),
                            ("ready", "ready"),
                            ("downloading", "downloading"),
                            ("completed", "completed"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("cleaned", "cleaned"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=32)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("attempt", models.PositiveIntegerField()),
                ("outcome", models.CharField(max_length=16, null=True)),
                ("error_class", models.CharField(max_length=32, null=True)),
                (
                    "download",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transitions",
                        to="downloads.download",
                    ),
                ),
            ],
            options={
                "ordering": ["seq"],
                "indexes": [models.Index(fields=["at"], name="transition_at")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "to_state__in",
                                [
                                    "cancelled",
                                    "cleaned",
                                    "completed",
                                    "created",
                                    "downloading",
                                    "failed",
                                    "initializing",
                                    "ready",
                                ],
                            )
                        ),
                        name="transition_to",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("seq__gte", 1)), name="transition_seq"
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                models.OrderBy(models.F("owner")),
                models.OrderBy(models.F("place"), descending=True),
                models.OrderBy(models.F("priority"), descending=True),
                models.OrderBy(models.F("id")),
                models.OrderBy(models.F("site")),
                models.OrderBy(models.F("not_before")),
                models.OrderBy(models.F("paused_at")),
                condition=models.Q(("state", "created")),
                name="download_claim",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("state", "created")),
                fields=["-place", "-priority", "id"],
                name="download_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("state", "created")),
                fields=["site"],
                name="download_waiting_site",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("paused_at__isnull", False)),
                fields=["paused_at"],
                name="download_paused",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("state__in", ["downloading", "initializing", "ready"])),
                fields=["worker"],
                name="download_running",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["state", "-id"], name="download_by_state"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["outcome", "-id"], name="download_by_outcome"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["owner", "-id"], name="download_by_owner"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["-finished_at", "-id"], name="download_by_end"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                fields=["owner", "-finished_at", "-id"], name="download_by_owner_end"
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)),
                fields=["batch"],
                name="download_by_batch",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["site"], name="download_by_site"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("error_class__isnull", False)),
                fields=["error_class"],
                name="download_by_error",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["created_at"], name="download_by_day"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("result", "listing")),
                fields=["result"],
                name="download_by_result",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["owner", "fingerprint"], name="download_by_fingerprint"),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                condition=models.Q(("remux_of__isnull", False)),
                fields=["remux_of"],
                name="download_by_remux_of",
            ),
        ),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(fields=["owner", "media_id", "extractor"], name="download_by_media"),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "cancelled",
                            "cleaned",
                            "completed",
                            "created",
                            "downloading",
                            "failed",
                            "initializing",
                            "ready",
                        ],
                    )
                ),
                name="download_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("outcome", None),
                    ("outcome__in", ["cancelled", "completed", "failed"]),
                    _connector="OR",
                ),
                name="download_outcome",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("outcome", None),
                        ("state__in", ["created", "downloading", "initializing", "ready"]),
                    ),
                    models.Q(("outcome__isnull", False), ("state", "cleaned")),
                    models.Q(
                        ("outcome", models.F("state")),
                        ("state__in", ["cancelled", "completed", "failed"]),
                    ),
                    _connector="OR",
                ),
                name="download_outcome_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", None), ("result", None)),
                    models.Q(
                        ("outcome", "completed"),
                        ("result__in", ["checked", "files", "have_it", "listing"]),
                    ),
                    models.Q(("outcome__in", ["failed", "cancelled"]), ("result", None)),
                    _connector="OR",
                ),
                name="download_result_of_outcome",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("error_class", None),
                    (
                        "error_class__in",
                        [
                            "disk_full",
                            "drm",
                            "extractor_broken",
                            "ffmpeg_missing",
                            "forbidden",
                            "format_unavailable",
                            "geo_blocked",
                            "incomplete",
                            "internal",
                            "js_runtime_missing",
                            "live_not_started",
                            "login_required",
                            "network",
                            "policy_blocked",
                            "rate_limited",
                            "stalled",
                            "storage",
                            "timed_out",
                            "tls",
                            "too_large",
                            "unavailable",
                            "unsupported",
                            "worker_lost",
                        ],
                    ),
                    _connector="OR",
                ),
                name="download_error_class",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", "failed"), _negated=True),
                    ("error_class__isnull", False),
                    _connector="OR",
                ),
                name="download_failed_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["created", "cleaned"]), _negated=True),
                    ("directory", ""),
                    _connector="OR",
                ),
                name="download_directory_of_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("state__in", ["downloading", "initializing", "ready"]), _negated=True
                    ),
                    models.Q(models.Q(("directory", ""), _negated=True), ("attempt__gte", 1)),
                    _connector="OR",
                ),
                name="download_running_has_directory",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.CheckConstraint(
                condition=models.Q(("paused_at", None), ("state", "created"), _connector="OR"),
                name="download_paused_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["created", "downloading", "initializing", "ready"])
                ),
                fields=("owner", "fingerprint"),
                name="download_active_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.UniqueConstraint(
                fields=("listing", "position"), name="entry_position_once"
            ),
        ),
        migrations.RunPython(install, remove),
    ]
