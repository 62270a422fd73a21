from importer.core.events import Event, Observer, Silent


def test_the_silent_observer_takes_everything() -> None:
    observer: Observer = Silent()
    observer.tell(Event("began", "run r began"))
    observer.reading(1)
    observer.sending(1, 2, 0)
    assert Event("began", "text").fields == {}
