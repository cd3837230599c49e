//! TLS to the broker: whom we trust, who we are, and noticing when the files that say so change.
//!
//! The cryptography is ring's, named here rather than installed for the whole process: rustls
//! panics where two libraries want to be the process's default.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage};
use xxhash_rust::xxh3::xxh3_128;

use crate::broker::BrokerUrl;

/// The keys of the configuration that name the files.
const CA_FILE: &str = "mqtt.ca_file";
const CERTIFICATE_FILE: &str = "mqtt.client_certificate_file";
const KEY_FILE: &str = "mqtt.client_key_file";

/// The largest file that is read. All authorities of a system together have about 250 kB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How often the files are looked at while a connection stands. Certificates are replaced hours or
/// days before they expire; reading three small files costs nothing.
pub const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// How long changed files must stay as they are before they are read: certificate and key are two
/// files, and whoever replaces them does it one after the other.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// The PEM files that a connection with TLS is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to trust; those of the system without it.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, and after it those of the authorities between it and one that the broker
    /// trusts.
    pub client_certificate_file: Option<PathBuf>,
    /// The private key to our certificate.
    pub client_key_file: Option<PathBuf>,
}

impl TlsFiles {
    fn read(&self) -> anyhow::Result<Material> {
        let read = |key: &str, path: &Option<PathBuf>| {
            let read = path.as_deref().map(|path| File::read(key, path));
            read.transpose()
        };
        Ok(Material {
            authorities: read(CA_FILE, &self.ca_file)?,
            certificate: read(CERTIFICATE_FILE, &self.client_certificate_file)?,
            private_key: read(KEY_FILE, &self.client_key_file)?,
        })
    }
}

/// Reads the files and makes of them what a connection with TLS needs.
///
/// # Errors
/// When a file cannot be read, holds nothing of its kind, certificate and key do not belong
/// together, or only one of the two is named. The error names the key of the configuration and the
/// path, and shows nothing of what the file holds.
pub fn client_config(files: &TlsFiles) -> anyhow::Result<Arc<ClientConfig>> {
    files.read()?.client_config()
}

/// A file that was read, and how it is called.
struct File {
    name: String,
    content: Vec<u8>,
}

impl File {
    fn read(key: &str, path: &Path) -> anyhow::Result<Self> {
        let name = format!("{key}: {}", path.display());
        let mut content = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
            .with_context(|| format!("{name} cannot be read"))?;
        if content.len() as u64 > MAX_FILE_BYTES {
            bail!("{name} has more than {MAX_FILE_BYTES} bytes");
        }
        Ok(Self { name, content })
    }

    fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let name = &self.name;
        // The reader's errors quote lines of the file, so they are not passed on.
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|_| anyhow::anyhow!("{name} is no sound PEM file"))?;
        if certificates.is_empty() {
            bail!("{name} holds no PEM certificates");
        }
        Ok(certificates)
    }

    fn private_key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.content).map_err(|_| {
            let wanted = "unencrypted PEM private key (PKCS #8, PKCS #1 or SEC 1)";
            anyhow::anyhow!("{} holds no {wanted}", self.name)
        })
    }
}

/// What the files hold.
struct Material {
    authorities: Option<File>,
    certificate: Option<File>,
    private_key: Option<File>,
}

impl Material {
    /// Tells contents apart.
    fn fingerprint(&self) -> Fingerprint {
        let of = |file: &Option<File>| file.as_ref().map(|file| xxh3_128(&file.content));
        Fingerprint([
            of(&self.authorities),
            of(&self.certificate),
            of(&self.private_key),
        ])
    }

    fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.private_key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(private_key)) => {
                let (chain, key) = (certificate.certificates()?, private_key.private_key()?);
                builder
                    .with_client_auth_cert(chain, key)
                    .with_context(|| format!("{} and {}", certificate.name, private_key.name))?
            }
            (Some(_), None) => bail!("{KEY_FILE}: {CERTIFICATE_FILE} needs it"),
            (None, Some(_)) => bail!("{CERTIFICATE_FILE}: {KEY_FILE} needs it"),
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> anyhow::Result<rustls::RootCertStore> {
        let mut roots = rustls::RootCertStore::empty();
        match &self.authorities {
            Some(file) => {
                for certificate in file.certificates()? {
                    roots.add(certificate).with_context(|| file.name.clone())?;
                }
            }
            None => {
                for certificate in rustls_native_certs::load_native_certs().certs {
                    // A system may hold certificates too old for us; the others do.
                    let _skipped = roots.add(certificate);
                }
            }
        }
        Ok(roots)
    }
}

/// Which contents the files had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint([Option<u128>; 3]);

/// Holds what connections to one broker are made from, and notices when the files change.
///
/// Made once and kept over all connections: each takes [`Self::config`] when it is made, and is
/// replaced when [`Self::changed`] says so. Whatever happens to the files later, what was last read
/// with success stays in use, so a broken file never costs a connection.
pub struct Watch {
    /// `None` where the broker is spoken to without TLS, and there is nothing to watch.
    current: Option<Current>,
    poll_interval: Duration,
}

struct Current {
    files: TlsFiles,
    config: Arc<ClientConfig>,
    /// What `config` was made from.
    used: Fingerprint,
    /// What the files had when last looked at; `None` if they could not be read.
    seen: Option<Fingerprint>,
    /// Whether `seen` has been judged. What has not may still be in the middle of being written.
    judged: bool,
}

/// What a look at the files showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing new.
    Same,
    /// Something new, which has to show that it stays.
    Unsettled,
    /// Something new and good, now in use.
    Changed,
}

impl Watch {
    /// Reads the files for the first time. They are looked at again every `poll_interval`
    /// ([`POLL_INTERVAL`] unless for a test). A broker without TLS needs no files, and nothing is
    /// read then.
    ///
    /// # Errors
    /// As [`client_config`]: with nothing good to begin with there is nothing to go on with.
    pub fn start(
        broker: &BrokerUrl,
        files: &TlsFiles,
        poll_interval: Duration,
    ) -> anyhow::Result<Self> {
        let current = broker.is_tls().then(|| Current::read(files)).transpose()?;
        Ok(Self {
            current,
            poll_interval,
        })
    }

    /// What to make the next connection from; `None` without TLS. The files are read anew, also
    /// the system's authorities. Where that fails the log says why, and what was read before is
    /// used again.
    pub fn config(&mut self) -> Option<Arc<ClientConfig>> {
        let current = self.current.as_mut()?;
        current.refresh();
        Some(Arc::clone(&current.config))
    }

    /// Waits until the files have changed, and have been read with success: then it is time to
    /// leave the connection in order and to make a new one. Files that are broken are logged and
    /// change nothing. Never returns where nothing is watched; can be dropped at any time.
    pub async fn changed(&mut self) {
        let Some(current) = &mut self.current else {
            return std::future::pending().await;
        };
        let mut pause = self.poll_interval;
        loop {
            tokio::time::sleep(pause).await;
            pause = match current.look() {
                Look::Changed => return,
                Look::Same => self.poll_interval,
                Look::Unsettled => SETTLE_TIME.min(self.poll_interval),
            };
        }
    }
}

impl Current {
    fn read(files: &TlsFiles) -> anyhow::Result<Self> {
        let material = files.read()?;
        let fingerprint = material.fingerprint();
        Ok(Self {
            files: files.clone(),
            config: material.client_config()?,
            used: fingerprint,
            seen: Some(fingerprint),
            judged: true,
        })
    }

    /// Looks at the files and takes new ones into use, if they stay as they are and are good.
    fn look(&mut self) -> Look {
        let read = self.files.read();
        let seen = read.as_ref().ok().map(Material::fingerprint);
        if seen != self.seen {
            self.seen = seen;
            self.judged = false;
            return Look::Unsettled;
        }
        if self.judged {
            return Look::Same;
        }
        self.judged = true;
        if seen == Some(self.used) {
            tracing::info!("the files for TLS to the broker are again those in use");
            return Look::Same;
        }
        if self.take(read) {
            tracing::info!("new files for TLS to the broker were read");
            return Look::Changed;
        }
        Look::Same
    }

    /// Takes what the files hold at this moment, if it is good.
    fn refresh(&mut self) {
        let read = self.files.read();
        let seen = read.as_ref().ok().map(Material::fingerprint);
        let said_already = self.judged && self.seen == seen && seen != Some(self.used);
        self.seen = seen;
        self.judged = true;
        if !said_already {
            self.take(read);
        }
    }

    fn take(&mut self, read: anyhow::Result<Material>) -> bool {
        let made = read.and_then(|material| Ok((material.client_config()?, material)));
        match made {
            Ok((config, material)) => {
                self.config = config;
                self.used = material.fingerprint();
                true
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "new files for TLS to the broker are of no use; the old ones stay in use"
                );
                false
            }
        }
    }
}

/// What an error of a connection says about TLS, in words that name what to change; `None` if it
/// is about something else.
#[must_use]
pub fn explain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(in_words(error));
        }
        // What an I/O error wraps is not its source but its content.
        let io = error.downcast_ref::<std::io::Error>();
        next = match io.and_then(std::io::Error::get_ref) {
            Some(content) => Some(content),
            None => error.source(),
        };
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    use rustls::Error;
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "its certificate comes from no authority that we trust ({CA_FILE}; the system's without it)"
        ),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("its certificate is for another host than mqtt.url names: {error}"),
        Error::InvalidCertificate(_) => format!("its certificate is not accepted: {error}"),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers there does not speak TLS (mqtt.url)".to_owned()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("it asks for a certificate ({CERTIFICATE_FILE}, {KEY_FILE})")
        }
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => format!("it does not accept our certificate ({CERTIFICATE_FILE}): {error}"),
        Error::AlertReceived(AlertDescription::HandshakeFailure) => format!(
            "it refuses TLS with us; it may ask for a certificate ({CERTIFICATE_FILE}, {KEY_FILE}): {error}"
        ),
        error => format!("TLS: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    /// An authority made for one test.
    struct Authority(CertifiedIssuer<'static, KeyPair>);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            Self(CertifiedIssuer::self_signed(params, key).unwrap())
        }

        /// A certificate and its key.
        fn issue(&self, name: &str) -> (String, String) {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.0).unwrap();
            (certificate.pem(), key.serialize_pem())
        }
    }

    /// Files as they lie on a disk.
    struct Disk {
        _folder: tempfile::TempDir,
        files: TlsFiles,
    }

    impl Disk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| Some(folder.path().join(name));
            let files = TlsFiles {
                ca_file: path("ca.pem"),
                client_certificate_file: path("client.pem"),
                client_key_file: path("client.key"),
            };
            Self {
                _folder: folder,
                files,
            }
        }

        fn write(&self, authority: &Authority, (certificate, key): &(String, String)) {
            Self::put(&self.files.ca_file, &authority.0.pem());
            Self::put(&self.files.client_certificate_file, certificate);
            Self::put(&self.files.client_key_file, key);
        }

        fn put(path: &Option<PathBuf>, content: &str) {
            std::fs::write(path.as_ref().unwrap(), content).unwrap();
        }
    }

    fn broker() -> BrokerUrl {
        BrokerUrl::parse("mqtts://broker.example").unwrap()
    }

    #[test]
    fn authorities_alone_or_with_a_certificate_of_ours() {
        let (authority, disk) = (Authority::new(), Disk::new());
        disk.write(&authority, &authority.issue("headcount"));
        let config = client_config(&disk.files).unwrap();
        assert!(config.client_auth_cert_resolver.has_certs());
        let alone = TlsFiles {
            ca_file: disk.files.ca_file.clone(),
            ..TlsFiles::default()
        };
        let config = client_config(&alone).unwrap();
        assert!(!config.client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn a_mistake_names_its_key_and_its_file_and_shows_nothing_of_a_key() {
        let (authority, disk) = (Authority::new(), Disk::new());
        let ours = authority.issue("headcount");
        let other = authority.issue("other");
        let message = |files: &TlsFiles| format!("{:#}", client_config(files).unwrap_err());

        let missing = message(&disk.files);
        assert!(
            missing.contains(CA_FILE) && missing.contains("ca.pem"),
            "{missing}"
        );

        let secret = "-----BEGIN hunter2\nhunter2\n";
        type Spoil = fn(&TlsFiles) -> &Option<PathBuf>;
        let cases: [(Spoil, &str, &str); 5] = [
            (|files| &files.ca_file, secret, CA_FILE),
            (|files| &files.ca_file, "", CA_FILE),
            (
                |files| &files.client_certificate_file,
                secret,
                CERTIFICATE_FILE,
            ),
            (|files| &files.client_key_file, secret, KEY_FILE),
            (|files| &files.client_key_file, &other.1, KEY_FILE),
        ];
        for (file, content, key) in cases {
            disk.write(&authority, &ours);
            Disk::put(file(&disk.files), content);
            let message = message(&disk.files);
            assert!(message.contains(key), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
            assert!(!message.contains("BEGIN"), "{message}");
        }

        disk.write(&authority, &ours);
        let half = TlsFiles {
            client_key_file: None,
            ..disk.files.clone()
        };
        assert!(message(&half).starts_with(KEY_FILE), "{}", message(&half));
        let half = TlsFiles {
            client_certificate_file: None,
            ..disk.files.clone()
        };
        assert!(
            message(&half).starts_with(CERTIFICATE_FILE),
            "{}",
            message(&half)
        );
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let files = TlsFiles {
            ca_file: Some("/dev/zero".into()),
            ..TlsFiles::default()
        };
        let message = client_config(&files).unwrap_err().to_string();
        assert!(message.contains("more than"), "{message}");
    }

    #[test]
    fn new_files_are_taken_once_they_stay_and_are_good() {
        let (authority, disk) = (Authority::new(), Disk::new());
        let first = authority.issue("headcount");
        disk.write(&authority, &first);
        let mut current = Current::read(&disk.files).unwrap();
        let before = Arc::clone(&current.config);
        assert_eq!(current.look(), Look::Same);

        // Written one after the other: certificate, then key.
        let second = authority.issue("headcount");
        Disk::put(&disk.files.client_certificate_file, &second.0);
        assert_eq!(current.look(), Look::Unsettled);
        Disk::put(&disk.files.client_key_file, &second.1);
        assert_eq!(current.look(), Look::Unsettled, "something new again");
        assert_eq!(current.look(), Look::Changed);
        assert!(!Arc::ptr_eq(&before, &current.config));
        assert_eq!(current.look(), Look::Same);

        // The same content, written again.
        disk.write(&authority, &second);
        assert_eq!(current.look(), Look::Same);
    }

    #[test]
    fn broken_files_change_nothing_and_the_old_ones_may_come_back() {
        let (authority, disk) = (Authority::new(), Disk::new());
        let first = authority.issue("headcount");
        disk.write(&authority, &first);
        let mut current = Current::read(&disk.files).unwrap();
        let before = Arc::clone(&current.config);

        Disk::put(&disk.files.client_key_file, &authority.issue("other").1);
        assert_eq!(current.look(), Look::Unsettled);
        assert_eq!(current.look(), Look::Same, "the key is to another");
        std::fs::remove_file(disk.files.ca_file.as_ref().unwrap()).unwrap();
        assert_eq!(current.look(), Look::Unsettled);
        assert_eq!(current.look(), Look::Same, "not there");
        assert_eq!(current.look(), Look::Same);
        assert!(Arc::ptr_eq(&before, &current.config));

        disk.write(&authority, &first);
        assert_eq!(current.look(), Look::Unsettled);
        assert_eq!(current.look(), Look::Same, "in use already");
        assert!(Arc::ptr_eq(&before, &current.config));
    }

    #[test]
    fn a_connection_is_made_from_the_newest_good_files() {
        let (authority, disk) = (Authority::new(), Disk::new());
        disk.write(&authority, &authority.issue("headcount"));
        let mut watch = Watch::start(&broker(), &disk.files, POLL_INTERVAL).unwrap();
        let used = |watch: &Watch| watch.current.as_ref().unwrap().used;

        disk.write(&authority, &authority.issue("headcount"));
        let before = used(&watch);
        watch.config().unwrap();
        assert_ne!(used(&watch), before);

        Disk::put(&disk.files.client_key_file, "nothing");
        let before = used(&watch);
        watch.config().unwrap();
        assert_eq!(used(&watch), before, "the old ones stay in use");
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_new_files_and_not_of_broken_ones() {
        let (authority, disk) = (Authority::new(), Disk::new());
        disk.write(&authority, &authority.issue("headcount"));
        let quick = Duration::from_millis(5);
        let mut watch = Watch::start(&broker(), &disk.files, quick).unwrap();
        Disk::put(&disk.files.ca_file, "nothing");
        let early = tokio::time::timeout(Duration::from_millis(100), watch.changed()).await;
        assert!(early.is_err(), "broken files are not told");
        disk.write(&Authority::new(), &authority.issue("headcount"));
        tokio::time::timeout(Duration::from_secs(30), watch.changed())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn without_tls_nothing_is_read_and_nothing_changes() {
        let broker = BrokerUrl::parse("mqtt://broker.example").unwrap();
        let files = TlsFiles {
            ca_file: Some("/nonexistent".into()),
            ..TlsFiles::default()
        };
        let mut watch = Watch::start(&broker, &files, Duration::from_millis(1)).unwrap();
        assert!(watch.config().is_none());
        let waited = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
        assert!(waited.is_err());
    }

    #[test]
    fn errors_of_tls_are_found_wherever_they_are_wrapped() {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(unknown()));
        assert!(explain(&wrapped).unwrap().contains(CA_FILE));
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert!(explain(&alert).unwrap().contains(CERTIFICATE_FILE));
        let other = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(explain(&other), None);
    }
}
