// Numbers as people read them: [figure, unit].

import { say } from "/language.js";

/** Binary units, as memory is counted. */
export function bytes(value, digits = 0) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return [value.toFixed(value < 10 && unit > 1 ? Math.max(1, digits) : digits), units[unit]];
}

/** A duration below some minutes. */
export function seconds(value) {
  if (value < 0.0995) return [(value * 1000).toFixed(1), "ms"];
  if (value < 1) return [(value * 1000).toFixed(0), "ms"];
  return [value.toFixed(value < 10 ? 2 : 1), "s"];
}

/** A long duration in its two largest units. */
export function uptime(value) {
  const days = Math.floor(value / 86400), hours = Math.floor(value / 3600) % 24, minutes = Math.floor(value / 60) % 60;
  if (days > 0) return `${days} ${say("天", "d")} ${hours} ${say("小时", "h")}`;
  if (hours > 0) return `${hours} ${say("小时", "h")} ${minutes} ${say("分钟", "min")}`;
  return minutes > 0 ? `${minutes} ${say("分钟", "min")}` : `${Math.floor(value)} ${say("秒", "s")}`;
}

/** The time of day of a Unix time. */
export function clock(time, withSeconds = false) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false, ...(withSeconds && { second: "2-digit" }) };
  return new Date(time * 1000).toLocaleTimeString("zh-CN", options);
}

/** A Unix time on an axis so many seconds long: with its date where hours alone are not clear. */
export function moment(time, span, withSeconds = false) {
  if (span <= 86400) return clock(time, withSeconds);
  return `${new Date(time * 1000).toLocaleDateString("zh-CN", { month: "numeric", day: "numeric" })} ${clock(time)}`;
}

export function count(value) {
  return value.toLocaleString("zh-CN");
}
