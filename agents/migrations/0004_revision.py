from django.db import migrations

WATCH = """
CREATE TRIGGER revise AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agents_agenttemplate
    FOR EACH STATEMENT EXECUTE FUNCTION bots_revise();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0003_call_events"), ("bots", "0022_revision")]

    operations = [migrations.RunSQL(WATCH, "DROP TRIGGER revise ON agents_agenttemplate;")]
