"""The first table."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Create the table of visits."""

    initial = True
    operations = [  # noqa: RUF012 - as Django writes them
        migrations.CreateModel(
            name="Visit", fields=[("id", models.BigAutoField(primary_key=True, serialize=False))]
        )
    ]
