from django.apps import AppConfig

from common.form_words import form_words_set

form_words_set()  # before any form is read: a field takes its words when it is made


class CommonConfig(AppConfig):
    name = "common"
