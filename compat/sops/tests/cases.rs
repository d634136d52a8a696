//! Files that the real sops encrypted, and what it makes of them (`cargo xtask record sops`).

use std::fs;
use std::path::{Path, PathBuf};

use sops::{EncryptedFile, Format, Limits, LocalKeys, Surroundings};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// All the keys that there are.
fn keys() -> Result<LocalKeys, Box<dyn std::error::Error>> {
    let mut keys = LocalKeys::default();
    for name in ["a", "b", "pq"] {
        let text = fs::read_to_string(cases().join("keys").join(name).with_extension("agekey"))?;
        keys.add_age_identities(&text)?;
    }
    for name in ["rsa", "cv25519", "nistp256", "protected"] {
        keys.add_pgp_keys(&fs::read(cases().join("keys").join(name).with_extension("asc"))?)?;
    }
    Ok(keys)
}

/// A process with a key of SSH.
struct WithKey(String);

impl Surroundings for WithKey {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SOPS_AGE_SSH_PRIVATE_KEY_FILE").then(|| self.0.clone())
    }

    fn file(&self, path: &str) -> Result<Option<String>, String> {
        let path = cases().join("keys").join(path);
        fs::read_to_string(path)
            .map(Some)
            .map_err(|error| error.to_string())
    }
}

struct Outcome {
    bytes: Vec<u8>,
    is_authentic: bool,
}

fn decrypt(bytes: &[u8], from: Format, to: Format, keys: &LocalKeys) -> Result<Outcome, String> {
    let file = EncryptedFile::load(bytes, from, &Limits::default()).map_err(|error| error.to_string())?;
    let key = file
        .metadata()
        .data_key(keys)
        .map_err(|error| error.to_string())?;
    let decrypted = file.decrypt(&key).map_err(|error| error.to_string())?;
    Ok(Outcome {
        bytes: decrypted.emit(to).map_err(|error| error.to_string())?,
        is_authentic: decrypted.is_authentic(),
    })
}

#[test]
fn files_decrypt_to_what_sops_makes_of_them() {
    let list = fs::read_to_string(cases().join("cases.tsv")).unwrap();
    let keys = keys().unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let [file, from, to, mac, want] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let bytes = fs::read(cases().join("enc").join(file)).unwrap();
        let ssh = file.strip_prefix("key-").filter(|name| name.starts_with("ssh-"));
        let ssh = ssh.and_then(|name| name.strip_suffix(".yaml")).map(|name| {
            let mut keys = LocalKeys::default();
            keys.fall_back_to(&WithKey(name.to_owned()));
            keys
        });
        let keys = ssh.as_ref().unwrap_or(&keys);
        let ours = decrypt(&bytes, from.parse().unwrap(), to.parse().unwrap(), keys);
        count += 1;
        match (ours, mac) {
            (Err(_), "fails") => {}
            (Ok(ours), "ok" | "mismatch") => {
                let theirs = fs::read(cases().join("want").join(want)).unwrap();
                if ours.bytes != theirs {
                    failures.push(format!(
                        "{line}\n--- ours\n{}--- theirs\n{}",
                        String::from_utf8_lossy(&ours.bytes),
                        String::from_utf8_lossy(&theirs)
                    ));
                }
                // Where sops 3.13.2 finds a mismatch, it counts the comments of lists, which it did not when it encrypted.
                if !ours.is_authentic {
                    failures.push(format!("{line}: not authentic"));
                }
            }
            (Ok(_), _) => failures.push(format!("{line}: decrypted")),
            (Err(error), _) => failures.push(format!("{line}: {error}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert!(count > 45);
}

#[test]
fn a_file_that_was_changed_is_told_from_one_that_was_not() {
    let text = fs::read_to_string(cases().join("enc/secret.yaml")).unwrap();
    let changed = text.replacen("kind: Secret", "kind: ConfigMap", 1);
    assert_ne!(text, changed);
    let outcome =
        |text: &str| decrypt(text.as_bytes(), Format::Yaml, Format::Yaml, &keys().unwrap()).unwrap();
    assert!(outcome(&text).is_authentic);
    assert!(!outcome(&changed).is_authentic);
}

#[test]
fn without_a_key_it_is_told_whose_is_asked_for() {
    let text = fs::read(cases().join("enc/key-two-age.yaml")).unwrap();
    let error = |keys: &LocalKeys| {
        decrypt(&text, Format::Yaml, Format::Yaml, keys)
            .map(|_| ())
            .unwrap_err()
    };
    let none = error(&LocalKeys::default());
    assert!(
        none.contains("FAILED\n    - | failed to load age identities"),
        "{none}"
    );
    let mut other = LocalKeys::default();
    let key = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    other.add_age_identities(key).unwrap();
    let wrong = error(&other);
    let words = "did not match any of the recipients: incorrect\n      | identity for recipient block";
    assert!(wrong.contains(words), "{wrong}");
}

#[test]
fn hostile_files_end_soon_and_say_why() {
    let keys = keys().unwrap();
    let text = fs::read_to_string(cases().join("enc/key-two-age.yaml")).unwrap();
    let error = |more: &str| {
        decrypt(
            format!("{text}{more}").as_bytes(),
            Format::Yaml,
            Format::Yaml,
            &keys,
        )
        .map(|_| ())
        .unwrap_err()
    };
    assert_eq!(error("---\nx: &a [*a]\n"), "the file has more than 512 levels");
    let bomb: Vec<_> = (1..30)
        .map(|at| format!("b{at}: &b{at} [*b{0}, *b{0}]", at - 1))
        .collect();
    let bomb = bomb.join("\n");
    assert_eq!(
        error(&format!("---\nb0: &b0 x\n{bomb}")),
        "the file has more than 1000000 values"
    );
    assert!(error("---\n- a\n").ends_with("YAML documents that are sequences are not supported"));
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    let json = decrypt(deep.as_bytes(), Format::Json, Format::Json, &keys).map(|_| ());
    assert_eq!(json.unwrap_err(), "the file has more than 512 levels");
    let large = vec![b'#'; (5 << 20) + 1];
    let large = decrypt(&large, Format::Dotenv, Format::Dotenv, &keys).map(|_| ());
    assert_eq!(large.unwrap_err(), "the file has more than 5242880 bytes");
}

#[test]
fn a_text_that_is_lost_in_yaml_is_told() {
    let bytes = fs::read(cases().join("enc/strings.yaml")).unwrap();
    let file = EncryptedFile::load(&bytes, Format::Yaml, &Limits::default()).unwrap();
    let key = file.metadata().data_key(&keys().unwrap()).unwrap();
    let decrypted = file.decrypt(&key).unwrap();
    assert_eq!(decrypted.lost(Format::Yaml), ["leading-tab"]);
    assert!(decrypted.lost(Format::Json).is_empty());
}

#[test]
fn a_key_of_openpgp_that_cannot_be_used_is_told_with_the_reason() {
    let error = |file: &str, names: &[&str]| {
        let mut keys = LocalKeys::default();
        for name in names {
            keys.add_pgp_keys(&fs::read(cases().join("keys").join(name).with_extension("asc")).unwrap())
                .unwrap();
        }
        let bytes = fs::read(cases().join("enc").join(file)).unwrap();
        let error = decrypt(&bytes, Format::Yaml, Format::Yaml, &keys)
            .map(|_| ())
            .unwrap_err();
        // It is broken into lines.
        error.replace("\n      | ", " ")
    };
    let words = "could not decrypt data key with PGP key: GnuPG binary error: failed to decrypt sops data key with pgp: ";
    let none = error("key-pgp-rsa.yaml", &["cv25519"]);
    assert!(none.contains(&format!("{words}no secret key for ")), "{none}");
    let protected = error("key-pgp-protected.yaml", &["rsa", "protected"]);
    assert!(protected.contains("has a passphrase"), "{protected}");
}
