// What to do about an alert, in languages that the gateway does not speak itself, by about and kind.

import type { Code } from "./strings.ts";

const ADVICE: Partial<Record<Code, Record<string, string>>> = {
  zh: {
    "memory_bytes threshold":
      "用 `keepline monitor` 和 `keepline leaks` 查看内存用在何处；给进程更多内存，或让此节点少接设备（`server.max_connections`）。",
    "memory_bytes trend":
      "若被判为泄漏，`keepline leaks` 会指出是谁在增长；请在时间用完前排空并重启。若是负载增长，请把新设备引到别处。",
    "cpu_percent threshold":
      "`keepline monitor` 会显示是哪个线程。若是事件循环：减少设备，或让处理器少做计算、放到线程中（`threaded`）。",
    "connections threshold":
      "若本就预期这么多，请提高 `rules.connections`；否则用 `keepline sessions` 看看是谁，并在满员前启动另一个节点。",
    "connections trend": "请在时间用完前启动另一个节点；内存和描述符允许时也可提高 `server.max_connections`。",
    "queue_depth threshold":
      "`keepline monitor` 会显示在等什么：等处理器，说明处理器太慢；等设备，说明设备网络慢，或发送过多。",
    "queue_depth trend": "进来的多于处理的：在音频被丢弃之前，看看处理器在等什么（`keepline handlers`）。",
    "descriptors trend":
      "提高打开文件数的上限（`LimitNOFILE`），或找出是谁打开文件、套接字却从不关闭：`keepline monitor` 中只有连接数。",
    "disconnects_per_s anomaly":
      "`keepline monitor` 会显示由谁、因何结束。若多为同一原因，请查 docs/endings.md；若是网络，请检查网关前面的设施。",
    "rtt_p50_s anomaly": "若循环也延迟（`keepline monitor`），问题在本节点；否则在本节点与设备之间的网络。",
    "handshake_failures_per_s anomaly":
      "`keepline device` 会说明设备为何被拒。可能是令牌过期、证书问题，或有人在试探：`keepline bans list` 显示谁被限制。",
    "mass_suspicion incident": "这么多设备同时静默，多半是本侧故障：请检查网络、前面的代理和循环延迟。其间只会放弃少数设备。",
    "loop_blocked incident": "所列处理器在事件循环中计算或等待，所有设备都在跟着等：请改为 `async` 或 `threaded`。",
    "handler_suspended incident":
      "它的会话在许多设备上失败：日志中有出错堆栈（`handler_failed`）。恢复正常后会话会自动重试。",
    "store_away incident":
      "无法写入 `data_dir` 中的文件：请检查磁盘（已满、只读、丢失）。设备保持在线；未写入的内容在崩溃时可能丢失。",
    "out_of_descriptors incident":
      "设备正被拒绝：提高打开文件数的上限（`LimitNOFILE`），或把 `server.max_connections` 降到它以下。",
    "kick_war incident": "两台设备使用同一 ID，或其中一台被复制：用 `keepline bans list` 找到它们，并给其中一台换一个 ID。",
    "bans incident":
      "`keepline bans list` 显示谁在反复上下线。设备故障就检查设备；不该来的地址，请在前面挡住。",
    "leak incident":
      "所列对象每次检查时都更多：可能是永不结束的任务或定时器，或无人清空的队列。`keepline leaks` 会全部列出。",
    "certificate_expires incident": "请更新 `tls.certificate` 的文件，无需重启即会载入。过期之后任何设备都无法接入。",
    "cluster_away incident":
      "没有 NATS 服务器应答，或其数量不足以维持流：请检查这些服务器以及通往它们的网络。已接入的设备保持连接，它们要保存的内容在等待。",
    "upstream_away incident":
      "请检查那台语音服务器以及通往它的网络：`keepline upstreams` 会说明为何不再使用它。恢复后会自动重新使用。",
    "worker_ended incident":
      "有工作进程自行退出：日志中的 `worker_ended` 说明如何退出，它之前的内容可能说明原因。SIGKILL 多半来自内核：内存不足。",
  },
};

/** The advice in that language; the gateway's own, which is English, where there is none. */
export function adviceOn(code: Code, alert: { about: string; kind: string; advice: string }): string {
  return ADVICE[code]?.[`${alert.about} ${alert.kind}`] ?? alert.advice;
}
