"""The admin's forms.  What makes a configuration valid is said by the models."""
