"""Walks through the console with Chromium; see browser.sh. Arguments: port of HTTP, file with the password of admin."""

import base64
import json
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

PORT, PASSWORD = sys.argv[1], Path(sys.argv[2]).read_text()
# A name that is not this machine's own: browsers treat http://localhost like TLS and would hide what plain HTTP lacks.
SITE = f"http://broker.test:{PORT}"
MARK = "<script>alert(1)</script><img src=x onerror=alert(2)>"
BASIC = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()


def rest(method, path, document=None):
    body = None if document is None else json.dumps(document).encode()
    headers = {"Authorization": BASIC, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def fill():
    message = {"body": MARK, "headers": {MARK: MARK}, "key": MARK, "content_type": MARK}
    for queue in ["dead", "orders%2Feu"]:
        rest("PUT", f"/v1/queues/{queue}", {})
        rest("POST", f"/v1/queues/{queue}/messages", {"messages": [message]})
    rest("PUT", "/v1/topics/flights", {"partitions": 2})
    rest("POST", "/v1/topics/flights/messages", {"messages": [{**message, "partition": 0}]})
    rest("PUT", "/v1/topics/flights/subscriptions/all", {"kind": "shared", "start": "earliest"})
    rest("PUT", "/v1/users/ann", {"password": "long enough", "roles": ["developer"]})
    rest("POST", "/v1/tokens", {"label": MARK, "lifetime_ms": 60_000})


PAGES = [
    "/",
    "/console/queues",
    "/console/queues/orders%2Feu?state=ready",
    "/console/topics",
    "/console/topics/flights?partition=0",
    "/console/topics/flights/subscriptions/all",
    "/console/users",
    "/console/users/ann",
    "/console/tokens",
    "/console/queues?prefix=%3Cscript%3Ealert(3)%3C/script%3E",
    "/console/queues?did=%3Cscript%3Ealert(4)%3C/script%3E&n=%3Cb%3E",
]


def walk(page, troubles):
    page.goto(f"{SITE}/")
    page.fill("[name=user]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{SITE}/")
    for path in PAGES:
        answer = page.goto(f"{SITE}{path}")
        if answer.status != 200:
            troubles.append(f"{path}: status {answer.status}")
        page.wait_for_selector("h1")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            troubles.append(f"{path}: wider than the window")


def act(page):
    page.goto(f"{SITE}/console/queues/orders%2Feu")
    page.click("text=Publish a message")
    page.fill("textarea[name=body]", MARK)
    page.fill("textarea[name=headers]", f"kind: {MARK}")
    page.click("button:text-is('Publish')")
    page.wait_for_selector(".result .notice.done")
    page.fill("textarea[name=headers]", "no colon")
    page.click("button:text-is('Publish')")
    page.wait_for_selector(".result .notice.problem")
    # Readings come every two seconds; the chart needs two of them.
    page.wait_for_selector(".chart canvas")

    page.goto(f"{SITE}/console/topics/flights")
    page.click("button:text-is('Follow')")
    page.wait_for_selector("text=Following.")
    rest("POST", "/v1/topics/flights/messages", {"messages": [{"body": f"first {MARK}"}]})
    page.wait_for_selector(".tail li:has-text('first')")
    page.click("button:text-is('Pause')")
    rest("POST", "/v1/topics/flights/messages", {"messages": [{"body": f"second {MARK}"}]})
    page.click("button:text-is('Follow')")
    page.wait_for_selector(".tail li:has-text('second')")

    page.goto(f"{SITE}/console/queues/dead")
    page.click("summary:text-is('Purge')")
    form = page.locator("form[action$='/purge']")
    form.locator("[name=confirm]").fill("wrong")
    form.locator("button").click()
    page.wait_for_selector(".notice.problem")
    assert rest("GET", "/v1/queues/dead")["counts"]["ready"] == 1, "a wrong name must purge nothing"
    page.go_back()
    page.click("summary:text-is('Purge')")
    form.locator("[name=confirm]").fill("dead")
    form.locator("button").click()
    page.wait_for_selector(".notice.done")
    assert rest("GET", "/v1/queues/dead")["counts"]["ready"] == 0, "the purge went through"

    page.click("button:text-is('Log out')")
    page.wait_for_url(f"{SITE}/login")
    page.goto(f"{SITE}/console/queues")
    assert page.url == f"{SITE}/login", "the session is over"


def main():
    fill()
    troubles = []
    with sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP broker.test 127.0.0.1"]
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        for width in [1280, 360]:
            page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
            page.set_default_timeout(20_000)

            def dialog(opened):
                troubles.append(f"a dialog: {opened.message}")
                opened.dismiss()

            def said(message):
                # The answer to the form that is wrong on purpose is logged as a failed load.
                if message.type == "error" and "status of 400" not in message.text:
                    troubles.append(f"{page.url}: {message.text}")

            page.on("dialog", dialog)
            page.on("console", said)
            page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
            walk(page, troubles)
            if width == 1280:
                act(page)
        browser.close()
    for trouble in troubles:
        print(trouble)
    print(f"{2 * len(PAGES)} pages, {len(troubles)} troubles")
    sys.exit(1 if troubles else 0)


main()
