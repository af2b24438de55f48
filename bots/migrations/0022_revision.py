from django.db import migrations, models

# What is changed names itself as the configuration's revision, in place of those that it can see: nobody waits
# for another who changes something at the same time, and then two names stand for both.
REVISE = """
INSERT INTO bots_revision (value) VALUES (gen_random_uuid());
CREATE FUNCTION bots_revise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bots_revision
     WHERE value IN (SELECT value FROM bots_revision FOR UPDATE SKIP LOCKED);
    INSERT INTO bots_revision (value) VALUES (gen_random_uuid());
    RETURN NULL;
END
$$;
"""
FORGET = "DROP FUNCTION bots_revise();"
TABLES = [
    "bots_desk",
    "bots_intent",
    "bots_languagemodel",
    "bots_policy",
    "bots_price",
    "bots_robot",
    "bots_route",
    "bots_rule",
    "bots_rulemodel",
    "bots_tier",
    "bots_vendoraccount",
    "bots_wordlist",
    "bots_wordlistversion",
]
WATCH = """
CREATE TRIGGER revise AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION bots_revise();
"""


class Migration(migrations.Migration):
    dependencies = [("bots", "0021_rules_hand_over")]

    operations = [
        migrations.CreateModel(
            name="Revision",
            fields=[("value", models.UUIDField(primary_key=True, serialize=False))],
        ),
        migrations.RunSQL(REVISE, FORGET),
        *(
            migrations.RunSQL(WATCH.format(table=table), f"DROP TRIGGER revise ON {table};")
            for table in TABLES
        ),
    ]
