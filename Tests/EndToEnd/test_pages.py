"""The pages in a real browser."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import wait_until

HAPPY = "今天拿到了奖学金，太高兴了！"
PHONE_WIDTHS = [320, 390, 430]


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(flag)
    # What fades in has no text to the driver at first.
    options.add_argument("--force-prefers-reduced-motion")
    options.accept_insecure_certs = True
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def ask_for(browser, language: str):
    """What the browser says of its user's languages."""
    agent = browser.execute_script("return navigator.userAgent")
    browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})


@pytest.fixture
def page(browser, server):
    browser.set_window_size(1280, 800)
    ask_for(browser, "zh-CN")
    browser.get(server.url)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def all_of(page, selector: str):
    return page.find_elements(By.CSS_SELECTOR, selector)


def say(page, text: str):
    page.find_element(By.ID, "input").send_keys(text, Keys.ENTER)


def wait_for_reply(page, count: int = 1) -> str:
    wait_until(lambda: len(all_of(page, ".assistant:not(.streaming)")) == count, 60, "the reply is complete")
    assert all_of(page, ".failure") == []
    return all_of(page, ".assistant .bubble")[-1].text


def test_badge_and_streamed_reply(page):
    page.execute_script("""
        window.lengths = [];
        new MutationObserver(() => {
            const bubble = document.querySelector(".assistant .bubble");
            if (bubble) window.lengths.push(bubble.textContent.length);
        }).observe(document.getElementById("log"), { childList: true, subtree: true });
    """)
    say(page, HAPPY)
    reply = wait_for_reply(page)
    assert 0 < len(reply) <= 60
    assert all_of(page, ".user .bubble")[0].text == HAPPY
    badge = all_of(page, ".user .badge")[0]
    assert badge.text.split(" ")[0] in {"正面", "负面"} and badge.text.endswith("%")
    # It grew: the words did not come all at once.
    assert len(set(page.execute_script("return window.lengths")) - {0}) > 1
    assert page.find_element(By.ID, "input").get_attribute("value") == ""
    assert page.switch_to.active_element.get_attribute("id") == "input"


def test_english_where_no_chinese_is_asked_for(page, server):
    ask_for(page, "en-US,fr")
    page.get(server.url)
    assert page.execute_script("return document.documentElement.lang") == "en"
    assert page.find_element(By.ID, "input").get_attribute("placeholder") == "Say something…"
    assert page.find_element(By.ID, "send").get_attribute("aria-label") == "Send"
    page.execute_script("document.getElementById('suggestions').remove()")
    assert re.search("[一-鿿]", page.find_element(By.TAG_NAME, "body").text) is None
    say(page, HAPPY)
    wait_for_reply(page)
    assert re.fullmatch("(正面 positive|负面 negative) [0-9]+%", all_of(page, ".user .badge")[0].text)
    page.get(server.url + "/status.html")
    wait_until(lambda: page.find_element(By.ID, "state").text == "Running", 10, "the state is shown")
    assert re.search("[一-鿿]", page.find_element(By.TAG_NAME, "body").text) is None


def test_second_turn_sends_the_history(page):
    page.execute_script("""
        window.sent = [];
        const real = window.fetch;
        window.fetch = (url, options) => { window.sent.push(JSON.parse(options.body)); return real(url, options); };
    """)
    say(page, HAPPY)
    reply = wait_for_reply(page)
    say(page, "谢谢你")
    wait_for_reply(page, 2)
    messages = page.execute_script("return window.sent[1].messages")
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert [m["content"] for m in messages] == [HAPPY, reply, "谢谢你"]


def test_markup_is_shown_as_text(page):
    hostile = "<img src=x onerror=alert(1)><b>好</b>"
    say(page, hostile)
    wait_for_reply(page)
    assert all_of(page, ".user .bubble")[0].text == hostile
    assert all_of(page, ".bubble *") == []


def test_keys(page):
    field = page.find_element(By.ID, "input")
    send = page.find_element(By.ID, "send")
    assert not send.is_enabled()
    field.send_keys("   ", Keys.ENTER)
    assert all_of(page, ".message") == []
    field.clear()
    field.send_keys("第一行", Keys.SHIFT, Keys.ENTER, Keys.NULL, "第二行")
    assert field.get_attribute("value") == "第一行\n第二行" and send.is_enabled()
    # The Enter that picks a candidate of an input method.
    page.execute_script("""
        document.getElementById("input").dispatchEvent(
            new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }));
    """)
    assert all_of(page, ".message") == []


def test_counter_and_limit(page):
    def fill(text: str):
        page.execute_script("""
            const field = document.getElementById("input");
            field.value = arguments[0];
            field.dispatchEvent(new Event("input"));
        """, text)

    counter, send = page.find_element(By.ID, "counter"), page.find_element(By.ID, "send")
    fill("好" * 100)
    assert counter.text == "" and send.is_enabled()
    fill("好" * 2000)
    assert counter.text == "2000 / 2000" and send.is_enabled()
    fill("好" * 2001)
    assert counter.text == "2001 / 2000" and not send.is_enabled()
    # One visible character of several scalars counts once.
    fill("👨‍👩‍👧" * 2000)
    assert counter.text == "2000 / 2000" and send.is_enabled()


def test_stop_and_new_conversation(page):
    # A stream that never ends by itself.
    page.execute_script("""
        window.fetch = async (url, { signal }) => new Response(new ReadableStream({
            start(controller) {
                controller.enqueue(new TextEncoder().encode('data: {"choices":[{"delta":{"content":"慢慢"}}]}\\n\\n'));
                signal.addEventListener("abort", () => controller.error(signal.reason));
            },
        }));
    """)
    say(page, "你好")
    wait_until(lambda: all_of(page, ".assistant .bubble")[0].text == "慢慢", 5, "the first words are shown")
    page.find_element(By.ID, "stop").click()
    wait_until(lambda: all_of(page, ".note"), 5, "the turn is marked as stopped")
    assert all_of(page, ".streaming") == [] and page.find_element(By.ID, "send").is_displayed()
    page.find_element(By.ID, "restart").click()
    assert all_of(page, ".message") == [] and page.find_element(By.ID, "welcome").is_displayed()


def test_failure_and_retry(page):
    page.execute_script("""
        const real = window.fetch;
        window.fetch = async () => {
            window.fetch = real;
            return new Response('{"error":{"message":"full"}}', { status: 429 });
        };
    """)
    say(page, HAPPY)
    wait_until(lambda: all_of(page, ".failure"), 5, "the failure is shown")
    assert "稍等" in all_of(page, ".failure")[0].text
    all_of(page, ".failure button")[0].click()
    assert len(wait_for_reply(page)) > 0
    assert len(all_of(page, ".user")) == 1 and len(all_of(page, ".badge")) == 1


def test_events_split_anywhere(page):
    """The stream parser, fed one byte at a time."""
    result = page.execute_async_script("""
        const done = arguments[0];
        import("/sse.js").then(async ({ events }) => {
            const bytes = new TextEncoder().encode(': ping\\n\\ndata: 你好\\r\\n\\r\\nevent: x\\ndata:a\\ndata: b\\n\\ndata: cut');
            const stream = new ReadableStream({
                start(controller) {
                    for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
                    controller.close();
                },
            });
            const found = [];
            for await (const data of events(stream)) found.push(data);
            done(found);
        });
    """)
    assert result == ["你好", "a\nb"]


@pytest.mark.parametrize("width", PHONE_WIDTHS)
def test_phone_width_has_no_sideways_scroll(page, server, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    )
    for path in ("/", "/status.html", "/nothing"):
        page.get(server.url + path)
        time.sleep(0.3)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width, path
    page.get_log("browser")  # the 404 of the last page
    page.get(server.url)
    say(page, "verylongword" * 12 + HAPPY)
    wait_for_reply(page)
    overflow = "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    assert page.execute_script(overflow) == 0


def test_status_page(page, server):
    page.get(server.url + "/status.html")
    wait_until(lambda: page.find_element(By.ID, "state").text == "运行正常", 10, "the state is shown")
    wait_until(lambda: all_of(page, "#chart polyline"), 10, "the memory curve is drawn")
    shown = float(page.find_element(By.ID, "resident").text.split()[0])
    assert abs(shown - server.resident_bytes() / 2**20) < 16 or "GiB" in page.find_element(By.ID, "resident").text
    facts = page.find_element(By.ID, "facts").text
    assert "qwen-all-in-one" in facts and "自检\n一致" in facts
    wait_until(lambda: "每秒" in page.find_element(By.ID, "requests-detail").text, 10, "the rate is shown")
    assert page.find_element(By.ID, "no-sequences").is_displayed()
    with ThreadPoolExecutor(1) as pool, server.client() as client:
        chat = {"model": "chat", "messages": [{"role": "user", "content": "最近工作压力好大，晚上睡不着" * 30}]}
        over = threading.Event()

        def talk():
            while not over.is_set():
                status = client.post("/v1/chat/completions", json=chat).status_code
                assert status in (200, 429)
                if status == 429:  # a fast machine answers more of them a second than nginx lets one address ask
                    over.wait(0.2)

        talking = pool.submit(talk)
        try:
            under_way = lambda: re.search(r"^\d+ (读入|生成) \d+ / \d+ \d+ ", page.find_element(By.ID, "sequences").text, re.MULTILINE)
            wait_until(under_way, 60, "a request under way is shown")
        finally:
            over.set()
        talking.result(timeout=60)
    # Its words follow the server's state.
    page.execute_script("window.fetch = () => Promise.reject(new TypeError('gone'))")
    wait_until(lambda: page.find_element(By.ID, "state").text == "连接不上", 10, "the loss is shown")
