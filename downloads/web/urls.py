"""The paths of the pages and of media."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from downloads import actions, queueing
from downloads.many import Action
from downloads.subscriptions import pages as subscriptions
from downloads.web import (
    account,
    add,
    app,
    cookies,
    dashboard,
    demo,
    detail,
    feed,
    feeds,
    first_steps,
    help,
    library,
    library_removal,
    library_unknown,
    list_actions,
    many,
    presets,
    retry,
    saved_views,
    sign_in,
    sites,
    system,
    words,
    workers,
)
from downloads.web.media import media
from downloads.web.thumbnails import thumbnail


class CorrelationIdConverter(StringConverter):
    """Matches what can be a correlation id; anything else is not found without a query."""

    regex = "[A-Za-z0-9-]{1,64}"


class FeedTokenConverter(StringConverter):
    """Matches what can be the token of a feed."""

    regex = "[A-Za-z0-9_-]{32}"


register_converter(CorrelationIdConverter, "correlation_id")
register_converter(FeedTokenConverter, "feed_token")

ONE = "downloads/<correlation_id:correlation_id>/"
FED = "feeds/<feed_token:token>/"
PARTS = {"template": "downloads/parts.html"}
CANCEL, RETRY, CLEAN = Action.CANCEL, Action.RETRY, Action.CLEANUP

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("downloads/", add.add, name="add"),
    path("downloads/preview", add.preview, name="preview"),
    path("add", add.page, name="add_page"),
    path("add/share", add.share, name="share"),
    path("manifest.webmanifest", app.manifest, name="manifest"),
    path("service-worker.js", app.service_worker, name="service_worker"),
    path("presets/", presets.index, name="presets"),
    path("presets/new", presets.new, name="new_preset"),
    path("presets/save", add.save_preset, name="save_preset"),
    path("presets/default", presets.make_default, name="default_preset"),
    path("presets/<int:pk>/", presets.edit, name="edit_preset"),
    path("presets/<int:pk>/delete", presets.delete, name="delete_preset"),
    path("subscriptions/", subscriptions.index, name="subscriptions"),
    path("subscriptions/new", subscriptions.new, name="new_subscription"),
    path("subscriptions/<int:pk>/", subscriptions.edit, name="edit_subscription"),
    path("subscriptions/<int:pk>/check", subscriptions.check_now, name="check_subscription"),
    path("subscriptions/<int:pk>/pause", subscriptions.pause, name="pause_subscription"),
    path("subscriptions/<int:pk>/resume", subscriptions.resume, name="resume_subscription"),
    path("subscriptions/<int:pk>/delete", subscriptions.unsubscribe, name="unsubscribe"),
    path("downloads/rows", dashboard.rows, name="rows"),
    path("first-steps/hide", first_steps.hide, name="hide_first_steps"),
    path("demo", demo.try_demo, name="demo"),
    path("downloads/many", many.many, name="many"),
    path("views/save", saved_views.save, name="save_view"),
    path("views/<int:pk>/rename", saved_views.rename, name="rename_view"),
    path("views/<int:pk>/remove", saved_views.remove, name="remove_view"),
    path("queue/pause", many.queue, {"change": queueing.pause_queue}, name="pause_queue"),
    path("queue/resume", many.queue, {"change": queueing.resume_queue}, name="resume_queue"),
    path("banners", dashboard.banners, name="banners"),
    path(ONE, detail.download, name="download"),
    path(f"{ONE}fragment", detail.download, PARTS, name="fragment"),
    path(f"{ONE}menu", detail.menu, name="menu"),
    path(f"{ONE}cancel", detail.act, {"action": actions.cancel}, name="cancel"),
    path(f"{ONE}keep", detail.act, {"action": actions.stop_and_keep}, name="keep"),
    path(f"{ONE}retry", detail.act, {"action": actions.retry}, name="retry"),
    path(f"{ONE}retry-changed", retry.retry_changed, name="retry_changed"),
    path(f"{ONE}cleanup", detail.act, {"action": actions.clean}, name="cleanup"),
    path(f"{ONE}pause", detail.act, {"action": queueing.pause}, name="pause"),
    path(f"{ONE}resume", detail.act, {"action": queueing.resume}, name="resume"),
    path(f"{ONE}first", detail.act, {"action": queueing.first}, name="first"),
    path(f"{ONE}up", detail.act, {"action": queueing.up}, name="up"),
    path(f"{ONE}down", detail.act, {"action": queueing.down}, name="down"),
    path(f"{ONE}last", detail.act, {"action": queueing.last}, name="last"),
    path(f"{ONE}delete", detail.delete, name="delete"),
    path(f"{ONE}thumbnail", thumbnail, name="thumbnail"),
    path(f"{ONE}again", list_actions.fetch_again, name="again"),
    path(f"{ONE}remux", detail.remux, name="remux"),
    path(f"{ONE}download", list_actions.download_checked, name="download_checked"),
    path(f"{ONE}whole-list", list_actions.read_whole_list, name="whole_list"),
    path(f"{ONE}entries", list_actions.entries, name="entries"),
    path(f"{ONE}entries/cancel", list_actions.act_on_all, {"action": CANCEL}, name="cancel_all"),
    path(f"{ONE}entries/retry", list_actions.act_on_all, {"action": RETRY}, name="retry_all"),
    path(f"{ONE}entries/cleanup", list_actions.act_on_all, {"action": CLEAN}, name="clean_all"),
    path("library/", library.library, name="library"),
    path("library/storage/", library.storage, name="library_storage"),
    path("library/remove", library_removal.remove, name="library_remove"),
    path("library/pin", library.pin, name="library_pin"),
    path("library/watched", library.watched, name="library_watched"),
    path("library/unknown/", library_unknown.unknown, name="library_unknown"),
    path("library/unknown/adopt", library_unknown.adopt, name="adopt_unknown"),
    path("library/unknown/remove", library_unknown.remove, name="remove_unknown"),
    path("library/removed/", library_removal.removed, name="library_removed"),
    path("library/removed/<int:pk>/restore", library_removal.restore, name="restore_removed"),
    path("library/removed/empty", library_removal.empty, name="empty_trash"),
    path("feeds/", feeds.index, name="feeds"),
    path("feeds/make", feeds.make, name="make_feed"),
    path("feeds/<int:pk>/revoke", feeds.revoke, name="revoke_feed"),
    path("feeds/<feed_token:token>.xml", feed.feed, name="feed"),
    path(
        f"{FED}covers/<correlation_id:correlation_id>.<slug:suffix>", feed.cover, name="feed_cover"
    ),
    path(
        f"{FED}chapters/<correlation_id:correlation_id>.json", feed.chapters, name="feed_chapters"
    ),
    path(f"{FED}<correlation_id:correlation_id>/<path:name>", feed.file, name="feed_file"),
    path("cookies/", cookies.sites, name="cookies"),
    path("sites/<str:host>/cookies", cookies.site, name="site_cookies"),
    path("sites/<str:host>/cookies/delete", cookies.delete, name="delete_cookies"),
    path("sites/", sites.sites, name="sites"),
    path("sites/try", sites.try_site, name="try_site"),
    path("sites/<str:host>/", sites.site, name="site"),
    path("workers/", workers.workers, name="workers"),
    path("workers/<path:name>/drain", workers.drain, {"may_claim": False}, name="drain_worker"),
    path("workers/<path:name>/resume", workers.drain, {"may_claim": True}, name="resume_worker"),
    path("system/", system.system, name="system"),
    path("system/<str:host>/extractors", system.ask, name="ask_extractors"),
    path("media/<correlation_id:correlation_id>/<path:name>", media, name="media"),
    path("account/", account.account, name="account"),
    path("account/preferences", account.save_preferences, name="save_preferences"),
    path("account/theme", account.choose_theme, name="theme"),
    path("account/density", account.choose_density, name="choose_density"),
    path("account/password", account.change_password, name="change_password"),
    path("account/tokens", account.make_token, name="make_token"),
    path("account/tokens/<int:pk>/revoke", account.revoke_token, name="revoke_token"),
    path("words/<slug:language>/<slug:version>.js", words.script, name="words"),
    path("help/keys", help.keys, name="keys"),
    path("help/", help.help_page, name="help"),
    path("setup/", sign_in.setup, name="setup"),
    path("login/", sign_in.Login.as_view(), name="login"),
]
