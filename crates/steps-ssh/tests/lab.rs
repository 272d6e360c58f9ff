//! Against the lab's machines: BIOS settings by each vendor's tool, the BMC's address, faults.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

mod support;

use rackwright_engine::{ErrorClass, Observation, StepError};
use rackwright_lab::{IpSource, Lab, LabOptions, Record, Service};
use rackwright_steps_ssh::{
    DeviceTypes,
    bios::SettingValue,
    device::{DeviceType, ToolKind},
};
use rstest::rstest;
use serde_json::{Value, json};
use support::Runner;
use tempfile::TempDir;

const DELL: usize = 0;
const HPE: usize = 1;
const SUPERMICRO: usize = 2;

/// Three commissioned machines, one of each vendor.
struct Rack {
    dir: TempDir,
    lab: Lab,
    runner: Runner,
}

impl Rack {
    async fn start(faults: &[&str]) -> Self {
        Self::with_types(faults, types()).await
    }

    async fn with_types(faults: &[&str], types: DeviceTypes) -> Self {
        let dir = TempDir::new().unwrap();
        let lab = Lab::start(LabOptions {
            machines: Some(3),
            time_scale: 400.0,
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            commissioned: true,
            ..LabOptions::new(dir.path())
        })
        .await
        .unwrap();
        let runner = Runner::with_types(lab.credentials().0, types);
        Self { dir, lab, runner }
    }

    /// A step's input for a machine.
    fn with(&self, machine: usize, more: Value) -> Value {
        let (port, device_type) = self.lab.state().read(|rack, _| {
            (rack.machines[machine].ssh_port, rack.machines[machine].device_type.clone())
        });
        let mut with = json!({
            "host": "127.0.0.1",
            "port": port,
            "credential": "ssh",
            "known_hosts": self.lab.known_hosts(),
        });
        let Value::Object(more) = more else { panic!("an object") };
        with.as_object_mut().unwrap().extend(more);
        if with.get("device_type").is_some_and(Value::is_null) {
            with["device_type"] = device_type.into();
        }
        with
    }

    async fn run(&self, uses: &str, machine: usize, more: Value) -> Result<Value, StepError> {
        self.runner.run(uses, self.with(machine, more)).await
    }

    async fn export(&self, machine: usize) -> Value {
        self.run("bios.export", machine, json!({ "device_type": null })).await.unwrap()
    }

    /// Exports and applies the profile.
    async fn applied(&self, machine: usize) -> Value {
        let exported = self.export(machine).await;
        let with = json!({ "device_type": exported["device_type"], "text": exported["text"] });
        self.runner.run("bios.apply_profile", with).await.unwrap()
    }

    fn import_input(&self, machine: usize, applied: &Value) -> Value {
        self.with(
            machine,
            json!({
                "device_type": null,
                "text": applied["text"],
                "encoding": applied["encoding"],
                "changes": applied["changes"],
            }),
        )
    }

    async fn import(&self, machine: usize, applied: &Value) -> Result<Value, StepError> {
        self.runner.run("bios.import", self.import_input(machine, applied)).await
    }

    /// Restarts a machine, and waits until it is up again.
    async fn reboot(&self, machine: usize) {
        let reboot = json!({ "command": "reboot", "repeatable": true });
        // The connection may die before the answer.
        let _ = self.run("ssh.exec", machine, reboot).await;
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while !self.lab.state().read(|rack, now| rack.machines[machine].is_up(now)) {
            assert!(tokio::time::Instant::now() < deadline, "the machine comes up again");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn records(&self) -> Vec<Record> {
        Record::read(self.dir.path()).unwrap()
    }

    fn commands(&self, part: &str) -> usize {
        self.records().iter().filter(|record| record.what.contains(part)).count()
    }

    fn bios(&self, machine: usize) -> rackwright_lab::Bios {
        self.lab.state().read(|rack, _| rack.machines[machine].bios.clone())
    }
}

/// The types that ship, looking at jobs more often: time is short in the lab.
fn types() -> DeviceTypes {
    let types = DeviceTypes::built_in().unwrap();
    let hasty: Vec<DeviceType> = types.iter().map(|t| hasty((**t).clone())).collect();
    hasty.into_iter().fold(types, DeviceTypes::with)
}

fn hasty(mut device_type: DeviceType) -> DeviceType {
    device_type.timeouts.poll.0 = std::time::Duration::from_millis(20);
    device_type
}

/// HPE's machine by its older tool.
fn conrep() -> DeviceTypes {
    let mut device_type = (*types().get("hpe-dl385").unwrap()).clone();
    device_type.tool.kind = ToolKind::Conrep;
    device_type.validation.required.clear();
    device_type.bios.allowed.clear();
    device_type.bios.settings = [("SR_IOV", "Enabled"), ("Workload_Profile", "LowLatency")]
        .map(|(name, value)| (name.to_owned(), SettingValue::from(value)))
        .into_iter()
        .collect();
    types().with(device_type)
}

#[rstest]
#[case::dell(DELL, types(), "racadm", false)]
#[case::hpe(HPE, types(), "ilorest", true)]
#[case::hpe_conrep(HPE, conrep(), "conrep", true)]
#[case::supermicro(SUPERMICRO, types(), "sum", true)]
#[tokio::test]
async fn bios_settings_are_brought_to_the_profile(
    #[case] machine: usize,
    #[case] types: DeviceTypes,
    #[case] tool: &str,
    #[case] verified: bool,
) {
    let rack = Rack::with_types(&[], types).await;
    let exported = rack.export(machine).await;
    assert_eq!(exported["tool"], tool);
    let applied = rack.applied(machine).await;
    assert_eq!(applied["changed"], true, "{applied}");
    let before = rack.bios(machine);
    let input = rack.import_input(machine, &applied);
    let seen = rack.runner.observe("bios.import", input.clone()).await.unwrap();
    assert_eq!(seen, Observation::NotDone);

    let imported = rack.import(machine, &applied).await.unwrap();
    assert_eq!(imported["changed"], true);
    assert_eq!(imported["reboot_required"], true);
    assert_eq!(imported["verified"], verified);
    assert_eq!(rack.bios(machine).current, before.current, "nothing is in force before a boot");
    match rack.runner.observe("bios.import", input.clone()).await.unwrap() {
        Observation::Done(_) => assert!(verified),
        Observation::InProgress(_) => assert_eq!(tool, "racadm"),
        other @ (Observation::NotDone | Observation::Unknown(_)) => panic!("{other:?}"),
    }

    rack.reboot(machine).await;
    let changes = applied["changes"].as_array().unwrap();
    assert_eq!(rack.bios(machine).pending.len(), 0);
    assert_ne!(rack.bios(machine).current, before.current);
    let again = rack.applied(machine).await;
    assert_eq!(again["changes"], json!([]));
    let seen = rack.runner.observe("bios.import", input).await.unwrap();
    assert!(matches!(seen, Observation::Done(_)), "{} settings are there", changes.len());
    let uploads = rack.commands("PUT ");
    let nothing = rack.import(machine, &again).await.unwrap();
    assert_eq!((&nothing["changed"], &nothing["verified"]), (&json!(false), &json!(true)));
    assert_eq!(rack.commands("PUT "), uploads, "nothing wanted, nothing sent");
    let left = rack.lab.state().read(|rack, _| rack.machines[machine].host.files.len());
    assert_eq!(left, 0, "no files are left on the machine");
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn a_job_that_is_under_way_is_carried_on_and_not_made_again() {
    let rack = Rack::start(&[]).await;
    let applied = rack.applied(DELL).await;
    // An attempt that died behind the command, before it could save the job.
    let upload = json!({ "path": "/tmp/profile.xml", "content": applied["text"] });
    rack.run("ssh.upload", DELL, upload).await.unwrap();
    let set = json!({ "command": "racadm set -t xml -f /tmp/profile.xml -b NoReboot" });
    let answer = rack.run("ssh.exec", DELL, set).await.unwrap();
    let input = rack.import_input(DELL, &applied);
    let seen = rack.runner.observe("bios.import", input.clone()).await.unwrap();
    let Observation::InProgress(saved) = seen else { panic!("{seen:?}") };
    let job = saved["racadm_job"].as_str().unwrap().to_owned();
    assert!(answer["stdout"].as_str().unwrap().contains(&job));
    rack.runner.save(saved);
    let imported = rack.runner.run("bios.import", input).await.unwrap();
    assert_eq!(imported["job"], job);
    assert_eq!(imported["reboot_required"], true);
    assert_eq!(rack.commands("racadm set -t xml"), 1);
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn the_job_is_saved_before_it_is_waited_for() {
    let rack = Rack::start(&[]).await;
    let applied = rack.applied(DELL).await;
    let imported = rack.import(DELL, &applied).await.unwrap();
    assert_eq!(rack.runner.saved().unwrap()["racadm_job"], imported["job"]);
    assert!(imported["message"].as_str().unwrap().contains("Waiting for System Reboot"));
    rack.lab.shutdown().await;
}

#[rstest]
#[case::dell(DELL, "bios.job_failed")]
#[case::hpe(HPE, "bios.tool_failed")]
#[case::supermicro(SUPERMICRO, "bios.tool_failed")]
#[tokio::test]
async fn an_import_that_fails_is_transient_and_succeeds_the_next_time(
    #[case] machine: usize,
    #[case] code: &str,
) {
    let rack = Rack::start(&["bios_import_fails_once"]).await;
    let applied = rack.applied(machine).await;
    let error = rack.import(machine, &applied).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), (code, ErrorClass::Transient), "{error}");
    assert_eq!(rack.bios(machine).pending.len(), 0);
    let imported = rack.import(machine, &applied).await.unwrap();
    assert_eq!(imported["changed"], true);
    rack.lab.shutdown().await;
}

#[rstest]
#[case::dell(DELL)]
#[case::hpe(HPE)]
#[case::supermicro(SUPERMICRO)]
#[tokio::test]
async fn an_import_that_is_ignored_is_noticed(#[case] machine: usize) {
    let rack = Rack::start(&["bios_import_ignored"]).await;
    let applied = rack.applied(machine).await;
    let error = rack.import(machine, &applied).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("bios.not_applied", ErrorClass::Permanent));
    let first = applied["changes"][0]["setting"].as_str().unwrap();
    assert!(error.message.contains(first), "{error}");
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn what_the_machine_does_not_know_is_refused_by_its_tool() {
    let rack = Rack::start(&[]).await;
    for (machine, from, to, code) in [
        (DELL, "\"SysProfile\"", "\"SysProfil\"", "bios.job_failed"),
        (HPE, "\"Sriov\"", "\"Sriovv\"", "bios.tool_failed"),
        (SUPERMICRO, "\"SR-IOV Support\"", "\"SR-IOV\"", "bios.tool_failed"),
    ] {
        let mut applied = rack.applied(machine).await;
        applied["text"] = applied["text"].as_str().unwrap().replace(from, to).into();
        let error = rack.import(machine, &applied).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        if machine != DELL {
            assert_eq!(error.class, ErrorClass::Permanent, "{error}");
        }
    }
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn an_export_that_fails_once_is_transient() {
    let rack = Rack::start(&["bios_export_fails_once"]).await;
    for machine in [DELL, HPE, SUPERMICRO] {
        let input = json!({ "device_type": null });
        let error = rack.run("bios.export", machine, input).await.unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.class),
            ("bios.tool_failed", ErrorClass::Transient),
            "{error}"
        );
        rack.export(machine).await;
    }
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn a_machine_of_another_vendor_lacks_the_tool() {
    let rack = Rack::start(&[]).await;
    let input = json!({ "device_type": "supermicro-x12" });
    let error = rack.run("bios.export", DELL, input).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("bios.tool_missing", ErrorClass::Permanent));
    let error = rack.run("bios.export", DELL, json!({ "device_type": "dell-r75" })).await;
    let error = error.unwrap_err();
    assert_eq!(error.code, "device_type.unknown");
    assert_eq!(error.hint.as_deref(), Some("did you mean `dell-r750`?"));
    rack.lab.shutdown().await;
}

fn lan() -> Value {
    json!({ "ip": "10.20.9.9", "netmask": "255.255.255.0", "gateway": "10.20.9.1", "sudo": true, "settle": "1s" })
}

#[tokio::test]
async fn the_bmc_gets_its_address_once() {
    let rack = Rack::start(&[]).await;
    let output = rack.run("ipmi.set_lan", HPE, lan()).await.unwrap();
    assert_eq!(output["lan"]["address"], "10.20.9.9");
    let changes = output["changes"].as_array().unwrap();
    let parameters: Vec<_> = changes.iter().map(|change| &change["parameter"]).collect();
    assert_eq!(json!(parameters), json!(["ipsrc", "ipaddr", "netmask", "defgw ipaddr"]));
    let ipmi = rack.lab.state().read(|rack, _| rack.machines[HPE].ipmi.clone());
    assert_eq!((ipmi.source, ipmi.address.as_str()), (IpSource::Static, "10.20.9.9"));
    assert_eq!(rack.commands("lan set"), 4);

    let again = rack.run("ipmi.set_lan", HPE, lan()).await.unwrap();
    assert_eq!((&again["changed"], &again["changes"]), (&json!(false), &json!([])));
    assert_eq!(rack.commands("lan set"), 4, "what is right is left alone");
    let bad = json!({ "ip": "10.20.9.300" });
    assert_eq!(rack.run("ipmi.set_lan", HPE, bad).await.unwrap_err().code, "engine.input");
    let channel = json!({ "ip": "10.20.9.9", "channel": 9 });
    let error = rack.run("ipmi.set_lan", HPE, channel).await.unwrap_err();
    assert_eq!(error.details["stderr"], "Invalid channel: 9\n");
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn a_bmc_that_does_not_take_its_address_is_noticed() {
    let rack = Rack::start(&["ipmi_set_ignored@srv001", "ipmi_set_fails_once@srv002"]).await;
    let error = rack.run("ipmi.set_lan", DELL, lan()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ipmi.not_applied", ErrorClass::Transient));
    assert!(error.message.contains("ipaddr is 10.20.100.10, not 10.20.9.9"), "{error}");
    let error = rack.run("ipmi.set_lan", HPE, lan()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ipmi.tool_failed", ErrorClass::Transient));
    rack.run("ipmi.set_lan", HPE, lan()).await.unwrap();
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn the_fence_stops_what_would_change_a_machine() {
    let rack = Rack::start(&[]).await;
    let applied = rack.applied(DELL).await;
    rack.runner.close_fence();
    assert_eq!(rack.import(DELL, &applied).await.unwrap_err().code, "engine.fenced");
    assert_eq!(rack.run("ipmi.set_lan", DELL, lan()).await.unwrap_err().code, "engine.fenced");
    assert_eq!(rack.commands("PUT ") + rack.commands("lan set") + rack.commands("racadm set"), 0);
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn faults_of_the_connection_are_told_apart() {
    let rack =
        Rack::start(&["ssh_drops@srv001", "wrong_host_key@srv002", "ssh_refused_once@srv003"]);
    let rack = rack.await;
    let echo = json!({ "command": "echo hello" });
    let error = rack.run("ssh.exec", DELL, echo.clone()).await.unwrap_err();
    assert_eq!(error.code, "ssh.connection_lost");
    assert_eq!(error.class, ErrorClass::UnknownOutcome);
    assert_eq!(rack.run("ssh.exec", DELL, echo.clone()).await.unwrap()["stdout"], "hello\n");
    let error = rack.run("ssh.exec", HPE, echo.clone()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ssh.host_key_changed", ErrorClass::Permanent));
    let error = rack.run("ssh.exec", SUPERMICRO, echo.clone()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ssh.unreachable", ErrorClass::Transient));
    rack.run("ssh.exec", SUPERMICRO, echo).await.unwrap();
    let records = rack.records();
    assert!(records.iter().all(|record| record.service == Service::Ssh));
    let answers: Vec<_> = records.iter().map(|r| (r.machine.as_deref(), r.status)).collect();
    let (one, three) = (Some("srv001"), Some("srv003"));
    assert_eq!(answers, [(one, None), (one, Some(0)), (three, Some(0))]);
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn a_password_opens_the_door_unless_it_is_refused() {
    let rack = Rack::start(&["ssh_password_refused@srv002"]).await;
    let echo = json!({ "command": "hostname" });
    assert_eq!(rack.run("ssh.query", DELL, echo.clone()).await.unwrap()["stdout"], "srv001\n");
    let error = rack.run("ssh.query", HPE, echo).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ssh.login_refused", ErrorClass::Unauthorized));
    let password = rack.lab.state().read(|rack, _| rack.secrets.ssh_password.clone());
    assert!(!format!("{error:?}{:?}", rack.records()).contains(&password));
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn a_machine_that_is_down_does_not_answer_and_takes_its_commands_with_it() {
    let rack = Rack::start(&[]).await;
    let slow = rack.run("bios.export", SUPERMICRO, json!({ "device_type": null }));
    let cut = async {
        while rack.runner.reports().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        rack.lab.state().update(|rack, _| rack.machines[SUPERMICRO].power_off()).unwrap();
    };
    let (result, ()) = tokio::join!(slow, cut);
    let error = result.unwrap_err();
    assert_eq!((error.code.as_str(), error.class), ("ssh.connection_lost", ErrorClass::Transient));
    let error = rack.run("ssh.query", SUPERMICRO, json!({ "command": "true" })).await.unwrap_err();
    assert_eq!(error.code, "ssh.unreachable");
    rack.lab.shutdown().await;
}

#[tokio::test]
async fn files_survive_a_restart_of_the_lab() {
    let rack = Rack::start(&[]).await;
    let bytes = json!({ "path": "/root/f", "content_base64": "AP/+AA==", "mode": "0600" });
    rack.run("ssh.upload", DELL, bytes).await.unwrap();
    let sum = rack.run("ssh.query", DELL, json!({ "command": "test -e /root/f" })).await;
    assert_eq!(sum.unwrap()["exit"], 0);
    let Rack { dir, lab, runner } = rack;
    lab.shutdown().await;
    let lab = Lab::start(LabOptions::new(dir.path())).await.unwrap();
    let rack = Rack { dir, lab, runner };
    let fetched = rack.run("ssh.download", DELL, json!({ "path": "/root/f" })).await.unwrap();
    assert_eq!(fetched["content_base64"], "AP/+AA==");
    rack.lab.shutdown().await;
}
