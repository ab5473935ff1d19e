"""A claim asks for the first waiting download of each owner: the owner comes first in its index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("downloads", "0006_attempt_log")]

    operations = [
        migrations.RemoveIndex(model_name="download", name="download_claim"),
        migrations.AddIndex(
            model_name="download",
            index=models.Index(
                models.OrderBy(models.F("owner")),
                models.OrderBy(models.F("priority"), descending=True),
                models.OrderBy(models.F("id")),
                models.OrderBy(models.F("site")),
                models.OrderBy(models.F("not_before")),
                condition=models.Q(("state", "created")),
                name="download_claim",
            ),
        ),
    ]
