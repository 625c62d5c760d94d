#!/usr/bin/env python3
"""fake_systemd.py ADDRESS: org.freedesktop.systemd1 on the bus at ADDRESS, as far as a manager of
units asks it. A unit behaves as BEHAVIOURS says of its name. Each call is printed."""
import os
import sys
import time

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

ROOT = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
SYSTEMD = "org.freedesktop.systemd1."

# result: of a job, None when it never ends; after: milliseconds; error: instead of a job;
# special: see Manager.queue.
BEHAVIOURS = {
    "good.service": {"result": "done", "after": 50},
    "failing.service": {"result": "failed", "after": 50},
    "odd.service": {"result": "collected", "after": 0},
    "endless.service": {"result": None},
    "stuck.service": {"result": None},
    "breaking.service": {"result": "failed", "after": 50},
    "slow.service": {"result": "done", "after": 1500},
    "hasty.service": {"result": "done", "special": "before-reply"},
    "crowded.service": {"result": "done", "after": 50, "special": "crowd"},
    "forged.service": {"result": "failed", "after": 300, "special": "forgery"},
    "fixed.service": {"reload-error": SYSTEMD + "JobTypeNotApplicable", "result": "done", "after": 0},
    "masked.service": {"error": SYSTEMD + "UnitMasked"},
    "guarded.service": {"error": "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"},
    "closed.service": {"error": "org.freedesktop.DBus.Error.AccessDenied"},
    "strange.service": {"error": SYSTEMD + "Strange"},
    "silent.service": {"special": "no-reply"},
    "deadly.service": {"special": "exit"},
    "plain.socket": {"result": "done", "after": 0},
}


class Refusal(dbus.DBusException):
    include_traceback = False

    def __init__(self, name, text):
        super().__init__(text, name=name)


def now():
    return dbus.UInt64(time.time() * 1_000_000)


class Unit(dbus.service.Object):
    def __init__(self, bus, path, name):
        super().__init__(bus, path)
        self.known = name in BEHAVIOURS
        self.properties = {
            "Id": name,
            "LoadState": "loaded" if self.known else "not-found",
            "ActiveState": "inactive",
            "SubState": "dead",
            "Following": "",
            "Names": dbus.Array([name], signature="s"),
            "Conditions": dbus.Array([], signature="(sbbsi)"),
            "Job": dbus.Struct((dbus.UInt32(0), dbus.ObjectPath("/"))),
            "CanReload": "reload-error" not in BEHAVIOURS.get(name, {}),
            "InvocationID": dbus.ByteArray(b""),
            "CPUWeight": dbus.UInt64(2**64 - 1),
            "StateChangeTimestamp": dbus.UInt64(0),
            "ActiveEnterTimestamp": dbus.UInt64(0),
            "ActiveExitTimestamp": dbus.UInt64(0),
            "InactiveEnterTimestamp": dbus.UInt64(0),
            "InactiveExitTimestamp": dbus.UInt64(0),
        }
        if name.endswith(".service"):
            self.properties.update({
                "Result": "success",
                "MainPID": dbus.UInt32(0),
                "ExecMainStartTimestamp": dbus.UInt64(0),
                "ExecMainStatus": dbus.Int32(0),
            })
        if name in ("good.service", "stuck.service", "breaking.service"):
            self.start()

    def start(self):
        self.properties.update({
            "ActiveState": "active", "SubState": "running", "ActiveEnterTimestamp": now(),
            "InvocationID": dbus.ByteArray(os.urandom(16)), "MainPID": dbus.UInt32(os.getpid())})
        if "ExecMainStartTimestamp" in self.properties:
            self.properties["ExecMainStartTimestamp"] = now()

    def fail(self):
        self.properties.update({
            "ActiveState": "failed", "SubState": "failed", "Result": "exit-code",
            "MainPID": dbus.UInt32(0), "InactiveEnterTimestamp": now()})

    def stop(self):
        self.properties.update({
            "ActiveState": "inactive", "SubState": "dead", "MainPID": dbus.UInt32(0),
            "InactiveEnterTimestamp": now()})

    @dbus.service.method("org.freedesktop.DBus.Properties", "s", "a{sv}")
    def GetAll(self, interface):
        # As systemd does: no interface names all of them.
        return self.properties if interface == "" else {}


class Manager(dbus.service.Object):
    def __init__(self, bus):
        super().__init__(bus, ROOT)
        self.bus, self.units, self.jobs, self.subscribed = bus, {}, 0, False

    def unit(self, name):
        if name not in self.units:
            path = f"{ROOT}/unit/u{len(self.units)}"
            self.units[name] = Unit(self.bus, path, name)
        return self.units[name]

    @dbus.service.signal(MANAGER, "uoss")
    def JobRemoved(self, number, job, unit, result):
        pass

    def removed(self, number, unit, result):
        # systemd sends no signals while nobody subscribed.
        if self.subscribed:
            self.JobRemoved(dbus.UInt32(number), f"{ROOT}/job/{number}", unit, result)

    @dbus.service.method(MANAGER, "", "")
    def Subscribe(self):
        self.subscribed = True

    @dbus.service.method(MANAGER, "s", "o")
    def LoadUnit(self, name):
        return dbus.ObjectPath(self.unit(name).__dbus_object_path__)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"), sender_keyword="sender")
    def StartUnit(self, name, mode, reply, fail, sender):
        self.queue("StartUnit", name, mode, reply, fail, sender)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"), sender_keyword="sender")
    def StopUnit(self, name, mode, reply, fail, sender):
        self.queue("StopUnit", name, mode, reply, fail, sender)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"), sender_keyword="sender")
    def RestartUnit(self, name, mode, reply, fail, sender):
        self.queue("RestartUnit", name, mode, reply, fail, sender)

    @dbus.service.method(MANAGER, "ss", "o", async_callbacks=("reply", "fail"), sender_keyword="sender")
    def ReloadUnit(self, name, mode, reply, fail, sender):
        self.queue("ReloadUnit", name, mode, reply, fail, sender)

    def queue(self, method, name, mode, reply, fail, sender):
        print("call", method, name, mode, flush=True)
        behaviour = BEHAVIOURS.get(name)
        if behaviour is None:
            return fail(Refusal(SYSTEMD + "NoSuchUnit", f"Unit {name} not found."))
        error = behaviour.get("error")
        if method == "ReloadUnit":
            error = behaviour.get("reload-error", error)
        if error:
            return fail(Refusal(error, f"No {method}\nof {name}."))
        special = behaviour.get("special")
        if special == "no-reply":
            return None
        if special == "exit":
            os._exit(1)
        self.jobs += 1
        number, result = self.jobs, behaviour["result"]
        if special == "before-reply":
            self.end(method, name, number, result)
        if special == "crowd":
            for other in range(1000, 1100):
                self.removed(other, name, "failed")
        reply(dbus.ObjectPath(f"{ROOT}/job/{number}"))
        if special == "forgery":
            self.forge(sender, number, name)
        if special != "before-reply" and result is not None:
            GLib.timeout_add(behaviour["after"], self.end, method, name, number, result)
        return None

    def forge(self, victim, number, name):
        """Somebody else on the bus tells the one who waits that the job went well."""
        stranger = dbus.bus.BusConnection(sys.argv[1])
        message = dbus.lowlevel.SignalMessage(ROOT, MANAGER, "JobRemoved")
        message.append(dbus.UInt32(number), dbus.ObjectPath(f"{ROOT}/job/{number}"), name, "done",
                       signature="uoss")
        message.set_destination(victim)
        stranger.send_message(message)
        stranger.flush()
        print("forged", flush=True)

    def end(self, method, name, number, result):
        unit = self.unit(name)
        if result != "done":
            unit.fail()
        elif method == "StopUnit":
            unit.stop()
        elif method != "ReloadUnit":
            unit.start()
        self.removed(number, name, result)
        return False


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    name = dbus.service.BusName("org.freedesktop.systemd1", bus, do_not_queue=True)
    manager = Manager(bus)
    print("ready", name.get_name(), manager.__dbus_object_path__, flush=True)
    GLib.MainLoop().run()


main()
