CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE artifacts (
	sha256 VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	media_type VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (sha256)
);
CREATE TABLE spaces (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	settings JSON NOT NULL, 
	size VARCHAR NOT NULL, 
	num_choices BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_spaces PRIMARY KEY (id)
);
CREATE TABLE data_sets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	source JSON NOT NULL, 
	version VARCHAR NOT NULL, 
	counts JSON NOT NULL, 
	shape JSON NOT NULL, 
	num_classes BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, report JSON, 
	CONSTRAINT pk_data_sets PRIMARY KEY (id), 
	CONSTRAINT fk_data_sets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_data_sets_name UNIQUE (name)
);
CREATE TABLE job_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	job_id VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	type VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT fk_job_events_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE supernets (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	data_set_id VARCHAR NOT NULL, 
	training JSON NOT NULL, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	version VARCHAR, 
	summary JSON, 
	created_at DATETIME NOT NULL, start JSON DEFAULT '{"kind": "scratch"}' NOT NULL, teacher JSON, 
	CONSTRAINT pk_supernets PRIMARY KEY (id), 
	CONSTRAINT fk_supernets_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_supernets_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_supernets_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_supernets_version FOREIGN KEY(version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_supernets_job_id UNIQUE (job_id)
);
CREATE TABLE searches (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	searcher JSON NOT NULL, 
	objectives JSON NOT NULL, 
	limits JSON NOT NULL, 
	evaluations BIGINT NOT NULL, 
	evaluator JSON NOT NULL, 
	evaluator_digest VARCHAR NOT NULL, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_searches PRIMARY KEY (id), 
	CONSTRAINT fk_searches_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_searches_space_id FOREIGN KEY(space_id) REFERENCES spaces (id), 
	CONSTRAINT fk_searches_supernet_id FOREIGN KEY(supernet_id) REFERENCES supernets (id), 
	CONSTRAINT uq_searches_job_id UNIQUE (job_id)
);
CREATE TABLE evaluations (
	id VARCHAR NOT NULL, 
	space_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	evaluator_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	reason VARCHAR, 
	search_id VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_evaluations PRIMARY KEY (id), 
	CONSTRAINT ck_evaluations_status CHECK (status IN ('measured', 'infeasible', 'failed')), 
	CONSTRAINT fk_evaluations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT fk_evaluations_space_id FOREIGN KEY(space_id) REFERENCES spaces (id)
);
CREATE TABLE exports (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	report_test BOOLEAN NOT NULL, 
	job_id VARCHAR NOT NULL, 
	files JSON NOT NULL, 
	card JSON, 
	test_report JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_exports PRIMARY KEY (id), 
	CONSTRAINT fk_exports_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_exports_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_exports_job_id UNIQUE (job_id)
);
CREATE TABLE measurements (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	occasion BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (id), 
	CONSTRAINT fk_measurements_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_measurements_search_id_occasion_architecture_digest UNIQUE (search_id, occasion, architecture_digest)
);
CREATE TABLE proposals (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	step BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_proposals PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_proposals_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_proposals_search_id_architecture_digest UNIQUE (search_id, architecture_digest)
);
CREATE TABLE observations (
	search_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	evaluation_id VARCHAR NOT NULL, 
	step BIGINT NOT NULL, 
	told_order BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_observations PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_observations_evaluation_id FOREIGN KEY(evaluation_id) REFERENCES evaluations (id), 
	CONSTRAINT fk_observations_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_observations_search_id_told_order UNIQUE (search_id, told_order)
);
CREATE TABLE uploads (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	completed_at DATETIME, 
	CONSTRAINT pk_uploads PRIMARY KEY (id), 
	CONSTRAINT uq_uploads_sha256_size_bytes_name UNIQUE (sha256, size_bytes, name)
);
CREATE TABLE jobs (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	spec JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	attempt BIGINT NOT NULL, 
	priority BIGINT NOT NULL, 
	lost_leases BIGINT NOT NULL, 
	lease_owner VARCHAR, 
	lease_expires_at DATETIME, 
	progress JSON, 
	error JSON, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT ck_jobs_kind CHECK (kind IN ('train', 'search', 'export', 'refine', 'assess')), 
	CONSTRAINT ck_jobs_status CHECK (status IN ('queued', 'running', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled', 'preempted'))
);
CREATE TABLE refinements (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	selection JSON NOT NULL, 
	training JSON NOT NULL, 
	distillation DOUBLE NOT NULL, 
	runs BIGINT NOT NULL, 
	evaluator JSON NOT NULL, 
	resources JSON NOT NULL, 
	export BOOLEAN NOT NULL, 
	report_test BOOLEAN NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	result JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_refinements PRIMARY KEY (id), 
	CONSTRAINT fk_refinements_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_refinements_search_id FOREIGN KEY(search_id) REFERENCES searches (id), 
	CONSTRAINT uq_refinements_job_id UNIQUE (job_id)
);
CREATE TABLE refined_networks (
	refinement_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	position BIGINT NOT NULL, 
	architecture JSON NOT NULL, 
	found JSON NOT NULL, 
	version VARCHAR, 
	soup JSON, 
	"before" JSON, 
	"after" JSON, 
	files JSON NOT NULL, 
	card JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_refined_networks PRIMARY KEY (refinement_id, architecture_digest), 
	CONSTRAINT fk_refined_networks_refinement_id FOREIGN KEY(refinement_id) REFERENCES refinements (id), 
	CONSTRAINT fk_refined_networks_version FOREIGN KEY(version) REFERENCES artifacts (sha256)
);
CREATE TABLE fine_tunings (
	refinement_id VARCHAR NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	run BIGINT NOT NULL, 
	seed BIGINT NOT NULL, 
	version VARCHAR NOT NULL, 
	accuracy JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_fine_tunings PRIMARY KEY (refinement_id, architecture_digest, run), 
	CONSTRAINT fk_fine_tunings_refinement_id FOREIGN KEY(refinement_id, architecture_digest) REFERENCES refined_networks (refinement_id, architecture_digest), 
	CONSTRAINT fk_fine_tunings_version FOREIGN KEY(version) REFERENCES artifacts (sha256)
);
CREATE TABLE assessments (
	id VARCHAR NOT NULL, 
	supernet_id VARCHAR NOT NULL, 
	supernet_version VARCHAR NOT NULL, 
	samples BIGINT NOT NULL, 
	strata BIGINT NOT NULL, 
	accuracy JSON NOT NULL, 
	standalone JSON, 
	resources JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	job_id VARCHAR NOT NULL, 
	summary JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_assessments PRIMARY KEY (id), 
	CONSTRAINT fk_assessments_job_id FOREIGN KEY(job_id) REFERENCES jobs (id), 
	CONSTRAINT fk_assessments_supernet_id FOREIGN KEY(supernet_id) REFERENCES supernets (id), 
	CONSTRAINT fk_assessments_supernet_version FOREIGN KEY(supernet_version) REFERENCES artifacts (sha256), 
	CONSTRAINT uq_assessments_job_id UNIQUE (job_id)
);
CREATE TABLE assessed_architectures (
	assessment_id VARCHAR NOT NULL, 
	number BIGINT NOT NULL, 
	architecture_digest VARCHAR NOT NULL, 
	architecture JSON NOT NULL, 
	status VARCHAR NOT NULL, 
	metrics JSON NOT NULL, 
	provenance JSON NOT NULL, 
	reason VARCHAR, 
	standalone JSON, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_assessed_architectures PRIMARY KEY (assessment_id, number), 
	CONSTRAINT ck_assessed_architectures_status CHECK (status IN ('measured', 'infeasible', 'failed')), 
	CONSTRAINT fk_assessed_architectures_assessment_id FOREIGN KEY(assessment_id) REFERENCES assessments (id)
);
CREATE TABLE "test_readings" (
	id VARCHAR NOT NULL, 
	export_id VARCHAR, 
	data_set_id VARCHAR NOT NULL, 
	network_digest VARCHAR NOT NULL, 
	result JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	refinement_id VARCHAR, 
	CONSTRAINT pk_test_readings PRIMARY KEY (id), 
	CONSTRAINT uq_test_readings_export_id UNIQUE (export_id), 
	CONSTRAINT fk_test_readings_data_set_id FOREIGN KEY(data_set_id) REFERENCES data_sets (id), 
	CONSTRAINT fk_test_readings_export_id FOREIGN KEY(export_id) REFERENCES exports (id), 
	CONSTRAINT fk_test_readings_refinement_id FOREIGN KEY(refinement_id) REFERENCES refinements (id), 
	CONSTRAINT uq_test_readings_refinement_id UNIQUE (refinement_id), 
	CONSTRAINT ck_test_readings_subject CHECK ((export_id IS NULL) <> (refinement_id IS NULL))
);
CREATE INDEX ix_job_events_job_id_id ON job_events (job_id, id);
CREATE INDEX ix_evaluations_architecture_digest_id ON evaluations (architecture_digest, id);
CREATE INDEX ix_evaluations_evaluator_digest_id ON evaluations (evaluator_digest, id);
CREATE INDEX ix_evaluations_space_id_id ON evaluations (space_id, id);
CREATE UNIQUE INDEX uq_evaluations_failure ON evaluations (search_id, architecture_digest) WHERE status = 'failed';
CREATE UNIQUE INDEX uq_evaluations_result ON evaluations (space_id, architecture_digest, evaluator_digest) WHERE status <> 'failed';
CREATE INDEX ix_exports_architecture_digest_id ON exports (architecture_digest, id);
CREATE INDEX ix_jobs_kind_id ON jobs (kind, id);
CREATE INDEX ix_jobs_status_priority_id ON jobs (status, priority, id);
CREATE INDEX ix_refinements_search_id ON refinements (search_id);
CREATE INDEX ix_assessments_supernet_id_id ON assessments (supernet_id, id);
CREATE INDEX ix_test_readings_network_digest ON test_readings (network_digest);
INSERT INTO alembic_version (version_num) VALUES ('0004');
-- rows
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 100, 'application/octet-stream', '2026-11-21 13:37:38.371000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 100, 'application/octet-stream', '2026-11-21 13:37:38.466000');
INSERT INTO artifacts ("sha256", "size_bytes", "media_type", "created_at") VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2000, 'application/vnd.onnx', '2026-11-21 13:37:39.191000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57ak221epxdsa2hnxz42k', 'train', '{"supernet_id":"net_01m7z57ak26ynvqqxbyz69xc9g","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:38.402000', '2026-11-21 13:37:38.421000', '2026-11-21 13:37:38.466000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57ap48c7am7bxcaezreqh', 'search', '{"search_id":"sea_01m7z57ap4jshd99s8w8tggv0z","supernet":{"id":"net_01m7z57ak26ynvqqxbyz69xc9g","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random"},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[{"metric":"latency_ms","lower":null,"upper":1.0}],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"evaluator_digest":"2eebf6fb32535a77","resources":{},"seed":0}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:38.500000', '2026-11-21 13:37:38.511000', '2026-11-21 13:37:38.661000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57avvpgppm13vz9v6x2xh', 'export', '{"export_id":"exp_01m7z57avv0prtpg9jnkvv2t13","search_id":"sea_01m7z57ap4jshd99s8w8tggv0z","supernet":{"id":"net_01m7z57ak26ynvqqxbyz69xc9g","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"architecture":{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3},"architecture_digest":"fe72135a4c9f6d8a","evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"report_test":true}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:38.683000', '2026-11-21 13:37:39.156000', '2026-11-21 13:37:39.191000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57bd2wpeprvsye3gc52kc', 'train', '{"supernet_id":"net_01m7z57bd2w4f0d062sr9bv1qy","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"training":{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}},"start":{"kind":"scratch"},"teacher":null,"resources":{"num_workers":1},"seed":1}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:39.234000', '2026-11-21 13:37:39.236000', '2026-11-21 13:37:39.274000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57bf18jyy2gbj6bhxngej', 'assess', '{"assessment_id":"ass_01m7z57bf17k6ncaag98a0nb3q","supernet":{"id":"net_01m7z57bd2w4f0d062sr9bv1qy","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"samples":3,"strata":1,"accuracy":{},"standalone":{"count":3},"resources":{},"seed":0}', 'succeeded', 1, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:39.297000', '2026-11-21 13:37:39.335000', '2026-11-21 13:37:39.517000');
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57c5c027nammyby75fy04', 'refine', '{"refinement_id":"ref_01m7z57c5c77zn3bb1vy9m0gqk","supernet":{"id":"net_01m7z57ak26ynvqqxbyz69xc9g","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"objectives":[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}],"limits":[{"metric":"latency_ms","lower":null,"upper":1.0}],"architectures":[{"a":1},{"a":1}],"search_id":"sea_01m7z57ap4jshd99s8w8tggv0z","training":{"epochs":2},"distillation":1.0,"runs":2,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"resources":{},"export":true,"report_test":true,"seed":5}', 'running', 1, 0, 0, 'runner', '2026-11-21 13:38:40.052000', NULL, NULL, '2026-11-21 13:37:40.012000', '2026-11-21 13:37:40.052000', NULL);
INSERT INTO jobs ("id", "kind", "spec", "status", "attempt", "priority", "lost_leases", "lease_owner", "lease_expires_at", "progress", "error", "created_at", "started_at", "finished_at") VALUES ('job_01m7z57c7q9mapmhffwqdb4a6p', 'search', '{"search_id":"sea_01m7z57c7qnh0v4nr0yvvgj9bk","supernet":{"id":"net_01m7z57bd2w4f0d062sr9bv1qy","version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"space_id":"a59026bc8e8c7dde","space":{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4},"data_set":{"id":"dat_01m7z57aj3ft87pjhqkg8jvfqs","version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"},"searcher":{"kind":"random"},"objectives":[{"metric":"top1_percent","goal":"maximize"}],"limits":[],"evaluations":10,"evaluator":{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null},"evaluator_digest":"2eebf6fb32535a77","resources":{},"seed":7}', 'queued', 0, 0, 0, NULL, NULL, NULL, NULL, '2026-11-21 13:37:40.087000', NULL, NULL);
INSERT INTO spaces ("id", "kind", "settings", "size", "num_choices", "created_at") VALUES ('a59026bc8e8c7dde', 'mobilenetv3', '{"kind":"mobilenetv3","input_channels":1,"num_classes":10,"resolutions":[8,10,12],"stem_width":8,"stem_stride":1,"stem_activation":"hard_swish","first_block_width":8,"first_block_activation":"relu","stages":[{"widths":[8,12,16],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":1,"squeeze_excite":false,"activation":"hard_swish"},{"widths":[12,16,24],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"},{"widths":[16,24,32],"depths":[1,2,3],"kernel_sizes":[3,5],"expand_ratios":[1.0,2.0,3.0],"stride":2,"squeeze_excite":true,"activation":"hard_swish"}],"final_expand_width":64,"head_width":96,"head_activation":"hard_swish","width_divisor":4}', '1391054472', 25, '2026-11-21 13:37:38.340000');
INSERT INTO uploads ("id", "name", "size_bytes", "sha256", "created_at", "completed_at") VALUES ('upl_01m7z57aer5sp81h761sf73x1s', 'photos.zip', 1000, '0000000000000000000000000000000000000000000000000000000000000000', '2026-11-21 13:37:38.264000', NULL);
INSERT INTO data_sets ("id", "name", "source", "version", "counts", "shape", "num_classes", "created_at", "report") VALUES ('dat_01m7z57aj3ft87pjhqkg8jvfqs', 'digits', '{"kind":"digits"}', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', '{"train":1000,"validation":397,"test":400}', '[1,8,8]', 10, '2026-11-21 13:37:38.371000', 'null');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (1, 'job_01m7z57ak221epxdsa2hnxz42k', 0, 'queued', '{}', '2026-11-21 13:37:38.402000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (2, 'job_01m7z57ak221epxdsa2hnxz42k', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:38.421000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (3, 'job_01m7z57ak221epxdsa2hnxz42k', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 13:37:38.466000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (4, 'job_01m7z57ap48c7am7bxcaezreqh', 0, 'queued', '{}', '2026-11-21 13:37:38.500000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (5, 'job_01m7z57ap48c7am7bxcaezreqh', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:38.511000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (6, 'job_01m7z57ap48c7am7bxcaezreqh', 1, 'succeeded', '{}', '2026-11-21 13:37:38.661000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (7, 'job_01m7z57avvpgppm13vz9v6x2xh', 0, 'queued', '{}', '2026-11-21 13:37:38.683000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (8, 'job_01m7z57avvpgppm13vz9v6x2xh', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:39.156000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (9, 'job_01m7z57avvpgppm13vz9v6x2xh', 1, 'succeeded', '{"files":["network.onnx"]}', '2026-11-21 13:37:39.191000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (10, 'job_01m7z57bd2wpeprvsye3gc52kc', 0, 'queued', '{}', '2026-11-21 13:37:39.234000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (11, 'job_01m7z57bd2wpeprvsye3gc52kc', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:39.236000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (12, 'job_01m7z57bd2wpeprvsye3gc52kc', 1, 'succeeded', '{"version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}', '2026-11-21 13:37:39.274000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (13, 'job_01m7z57bf18jyy2gbj6bhxngej', 0, 'queued', '{}', '2026-11-21 13:37:39.297000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (14, 'job_01m7z57bf18jyy2gbj6bhxngej', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:39.335000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (15, 'job_01m7z57bf18jyy2gbj6bhxngej', 1, 'succeeded', '{"measured":3}', '2026-11-21 13:37:39.517000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (16, 'job_01m7z57c5c027nammyby75fy04', 0, 'queued', '{}', '2026-11-21 13:37:40.012000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (17, 'job_01m7z57c5c027nammyby75fy04', 1, 'running', '{"owner":"runner"}', '2026-11-21 13:37:40.052000');
INSERT INTO job_events ("id", "job_id", "attempt", "type", "data", "created_at") VALUES (18, 'job_01m7z57c7q9mapmhffwqdb4a6p', 0, 'queued', '{}', '2026-11-21 13:37:40.087000');
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher") VALUES ('net_01m7z57ak26ynvqqxbyz69xc9g', 'first', 'a59026bc8e8c7dde', 'dat_01m7z57aj3ft87pjhqkg8jvfqs', '{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}}', '{"num_workers":1}', 1, 'job_01m7z57ak221epxdsa2hnxz42k', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 13:37:38.402000', '{"kind":"scratch"}', 'null');
INSERT INTO supernets ("id", "name", "space_id", "data_set_id", "training", "resources", "seed", "job_id", "version", "summary", "created_at", "start", "teacher") VALUES ('net_01m7z57bd2w4f0d062sr9bv1qy', 'first', 'a59026bc8e8c7dde', 'dat_01m7z57aj3ft87pjhqkg8jvfqs', '{"epochs":1,"label_smoothing":0.25,"schedule":{"kind":"sandwich"}}', '{"num_workers":1}', 1, 'job_01m7z57bd2wpeprvsye3gc52kc', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', '{"top1_percent":98.0}', '2026-11-21 13:37:39.234000', '{"kind":"scratch"}', 'null');
INSERT INTO assessments ("id", "supernet_id", "supernet_version", "samples", "strata", "accuracy", "standalone", "resources", "seed", "job_id", "summary", "created_at") VALUES ('ass_01m7z57bf17k6ncaag98a0nb3q', 'net_01m7z57bd2w4f0d062sr9bv1qy', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 3, 1, '{}', '{"count":3}', '{}', 0, 'job_01m7z57bf18jyy2gbj6bhxngej', '{"assessment":"ass_01m7z57bf17k6ncaag98a0nb3q","supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","split":"validation","num_images":397,"num_sampled":3,"num_measured":3,"smallest":{"architecture_digest":"6a742548f01aa165","macs":100000.0,"top1_percent":90.0,"interval_percent":[88.0,92.0]},"largest":{"architecture_digest":"d309cb74e16ed080","macs":400000.0,"top1_percent":92.0,"interval_percent":[90.0,94.0]},"mean_pareto_top1_percent":90.66666666666667,"standalone":{"num_trained":3,"num_stopped":0,"num_failed":0,"kendall":{"value":0.3333333333333333,"interval":[-1.0,1.0],"num_pairs":3},"spearman":{"value":0.5,"interval":[-1.0,1.0],"num_pairs":3}},"finished_at":"2026-11-21T13:37:39.517000+00:00"}', '2026-11-21 13:37:39.297000');
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 'fast', 'net_01m7z57ak26ynvqqxbyz69xc9g', 'a59026bc8e8c7dde', '{"kind":"random"}', '[{"metric":"top1_percent","goal":"maximize"},{"metric":"latency_ms","goal":"minimize"}]', '[{"metric":"latency_ms","lower":null,"upper":1.0}]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '2eebf6fb32535a77', '{}', 0, 'job_01m7z57ap48c7am7bxcaezreqh', '{}', '2026-11-21 13:37:38.500000');
INSERT INTO searches ("id", "name", "supernet_id", "space_id", "searcher", "objectives", "limits", "evaluations", "evaluator", "evaluator_digest", "resources", "seed", "job_id", "result", "created_at") VALUES ('sea_01m7z57c7qnh0v4nr0yvvgj9bk', 'fast', 'net_01m7z57bd2w4f0d062sr9bv1qy', 'a59026bc8e8c7dde', '{"kind":"random"}', '[{"metric":"top1_percent","goal":"maximize"}]', '[]', 10, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '2eebf6fb32535a77', '{}', 7, 'job_01m7z57c7q9mapmhffwqdb4a6p', NULL, '2026-11-21 13:37:40.087000');
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at") VALUES ('ass_01m7z57bf17k6ncaag98a0nb3q', 0, '6a742548f01aa165', '{"resolution":8,"stage1.width":16,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":3,"stage2.width":12,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":1,"stage2.block3.kernel_size":5,"stage2.block3.expand_ratio":2,"stage3.width":24,"stage3.depth":3,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":1,"stage3.block3.kernel_size":5,"stage3.block3.expand_ratio":1}', 'measured', '{"top1_percent":90.0,"macs":100000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[88.0,92.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,91.0],"top1_percent":91.0,"provenance":{"interval_percent":[89.0,93.0]},"reason":null}', '2026-11-21 13:37:39.352000');
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at") VALUES ('ass_01m7z57bf17k6ncaag98a0nb3q', 1, 'd9882bea0c910c17', '{"resolution":10,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":3,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":2,"stage2.width":16,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":1,"stage3.width":32,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', 'measured', '{"top1_percent":91.0,"macs":200000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[89.0,93.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,94.0],"top1_percent":94.0,"provenance":{"interval_percent":[92.0,96.0]},"reason":null}', '2026-11-21 13:37:39.352000');
INSERT INTO assessed_architectures ("assessment_id", "number", "architecture_digest", "architecture", "status", "metrics", "provenance", "reason", "standalone", "created_at") VALUES ('ass_01m7z57bf17k6ncaag98a0nb3q', 2, 'd309cb74e16ed080', '{"resolution":12,"stage1.width":16,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage2.width":12,"stage2.depth":1,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1}', 'measured', '{"top1_percent":92.0,"macs":400000.0}', '{"top1_percent":{"split":"validation","num_images":397,"interval_percent":[90.0,94.0]}}', NULL, '{"status":"trained","epochs":2,"history":[50.0,93.0],"top1_percent":93.0,"provenance":{"interval_percent":[91.0,95.0]},"reason":null}', '2026-11-21 13:37:39.352000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z57ar4vgdf6y3gnyq8vdrj', 'a59026bc8e8c7dde', 'fe72135a4c9f6d8a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', 'measured', '{"top1_percent":97.0,"latency_ms":0.5}', '{"top1_percent":{"num_images":400,"interval_percent":[96.5,97.5]},"latency_ms":{"p10_ms":0.45,"p90_ms":0.55,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z57ap4jshd99s8w8tggv0z', '2026-11-21 13:37:38.564000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z57as3v50wzy38yfbe8xs2', 'a59026bc8e8c7dde', 'bbe300d0fc7f599a', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', 'measured', '{"top1_percent":96.0,"latency_ms":0.25}', '{"top1_percent":{"num_images":400,"interval_percent":[95.5,96.5]},"latency_ms":{"p10_ms":0.225,"p90_ms":0.275,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z57ap4jshd99s8w8tggv0z', '2026-11-21 13:37:38.595000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z57asfx0cz09jr2y2bnxve', 'a59026bc8e8c7dde', 'a71a35234d1f8991', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', 'measured', '{"top1_percent":94.0,"latency_ms":0.2}', '{"top1_percent":{"num_images":400,"interval_percent":[93.5,94.5]},"latency_ms":{"p10_ms":0.18000000000000002,"p90_ms":0.22000000000000003,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z57ap4jshd99s8w8tggv0z', '2026-11-21 13:37:38.607000');
INSERT INTO evaluations ("id", "space_id", "architecture_digest", "evaluator_digest", "architecture", "status", "metrics", "provenance", "reason", "search_id", "created_at") VALUES ('eva_01m7z57athbda9vtmyqxpbvffx', 'a59026bc8e8c7dde', '87eadccb1d1aea90', '2eebf6fb32535a77', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', 'measured', '{"top1_percent":93.0,"latency_ms":0.6}', '{"top1_percent":{"num_images":400,"interval_percent":[92.5,93.5]},"latency_ms":{"p10_ms":0.54,"p90_ms":0.66,"reference_baseline_ms":1.0}}', NULL, 'sea_01m7z57ap4jshd99s8w8tggv0z', '2026-11-21 13:37:38.641000');
INSERT INTO exports ("id", "search_id", "architecture_digest", "architecture", "report_test", "job_id", "files", "card", "test_report", "created_at") VALUES ('exp_01m7z57avv0prtpg9jnkvv2t13', 'sea_01m7z57ap4jshd99s8w8tggv0z', 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', true, 'job_01m7z57avvpgppm13vz9v6x2xh', '[{"name":"network.onnx","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size_bytes":2000,"media_type":"application/vnd.onnx"}]', '{"espalier":"0.1.0"}', '{"top1_percent":98.5}', '2026-11-21 13:37:38.683000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 0, 0, 'fe72135a4c9f6d8a', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":3,"stage1.block1.expand_ratio":1,"stage1.block2.kernel_size":3,"stage1.block2.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":3,"stage3.width":24,"stage3.depth":2,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":1,"stage3.block2.kernel_size":5,"stage3.block2.expand_ratio":3}', '2026-11-21 13:37:38.538000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 1, 0, 'bbe300d0fc7f599a', '{"resolution":12,"stage1.width":12,"stage1.depth":1,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage2.width":12,"stage2.depth":2,"stage2.block1.kernel_size":3,"stage2.block1.expand_ratio":1,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":3,"stage3.block1.expand_ratio":3}', '2026-11-21 13:37:38.538000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 2, 0, 'a71a35234d1f8991', '{"resolution":12,"stage1.width":12,"stage1.depth":2,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":3,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage2.width":16,"stage2.depth":3,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":3,"stage2.block2.kernel_size":3,"stage2.block2.expand_ratio":3,"stage2.block3.kernel_size":3,"stage2.block3.expand_ratio":2,"stage3.width":32,"stage3.depth":3,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2,"stage3.block2.kernel_size":3,"stage3.block2.expand_ratio":2,"stage3.block3.kernel_size":3,"stage3.block3.expand_ratio":3}', '2026-11-21 13:37:38.538000');
INSERT INTO proposals ("search_id", "number", "step", "architecture_digest", "architecture", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 3, 0, '87eadccb1d1aea90', '{"resolution":12,"stage1.width":8,"stage1.depth":3,"stage1.block1.kernel_size":5,"stage1.block1.expand_ratio":2,"stage1.block2.kernel_size":5,"stage1.block2.expand_ratio":2,"stage1.block3.kernel_size":3,"stage1.block3.expand_ratio":1,"stage2.width":24,"stage2.depth":2,"stage2.block1.kernel_size":5,"stage2.block1.expand_ratio":2,"stage2.block2.kernel_size":5,"stage2.block2.expand_ratio":2,"stage3.width":16,"stage3.depth":1,"stage3.block1.kernel_size":5,"stage3.block1.expand_ratio":2}', '2026-11-21 13:37:38.538000');
INSERT INTO refinements ("id", "name", "search_id", "count", "selection", "training", "distillation", "runs", "evaluator", "resources", "export", "report_test", "seed", "job_id", "result", "created_at") VALUES ('ref_01m7z57c5c77zn3bb1vy9m0gqk', 'best', 'sea_01m7z57ap4jshd99s8w8tggv0z', 2, '{"rule":"the first"}', '{"epochs":2}', 1.0, 2, '{"supernet_version":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","data_set_version":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","accuracy":{},"latency":null}', '{}', true, true, 5, 'job_01m7z57c5c027nammyby75fy04', NULL, '2026-11-21 13:37:40.012000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 0, 'eva_01m7z57ar4vgdf6y3gnyq8vdrj', 1, 0, '2026-11-21 13:37:38.644000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 1, 'eva_01m7z57as3v50wzy38yfbe8xs2', 1, 1, '2026-11-21 13:37:38.644000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 2, 'eva_01m7z57asfx0cz09jr2y2bnxve', 1, 2, '2026-11-21 13:37:38.644000');
INSERT INTO observations ("search_id", "number", "evaluation_id", "step", "told_order", "created_at") VALUES ('sea_01m7z57ap4jshd99s8w8tggv0z', 3, 'eva_01m7z57athbda9vtmyqxpbvffx', 1, 3, '2026-11-21 13:37:38.644000');
INSERT INTO refined_networks ("refinement_id", "architecture_digest", "position", "architecture", "found", "version", "soup", "before", "after", "files", "card", "created_at") VALUES ('ref_01m7z57c5c77zn3bb1vy9m0gqk', 'bbe300d0fc7f599a', 0, '{"a":1}', '{"metrics":{"top1_percent":90.0,"latency_ms":0.5},"intervals":{"top1_percent":[89.0,91.0],"latency_ms":[0.4,0.6]},"provenance":{"top1_percent":{"interval_percent":[89.0,91.0]}}}', NULL, NULL, NULL, NULL, '[]', NULL, '2026-11-21 13:37:40.012000');
INSERT INTO refined_networks ("refinement_id", "architecture_digest", "position", "architecture", "found", "version", "soup", "before", "after", "files", "card", "created_at") VALUES ('ref_01m7z57c5c77zn3bb1vy9m0gqk', 'fe72135a4c9f6d8a', 1, '{"a":1}', '{"metrics":{"top1_percent":90.0,"latency_ms":0.5},"intervals":{"top1_percent":[89.0,91.0],"latency_ms":[0.4,0.6]},"provenance":{"top1_percent":{"interval_percent":[89.0,91.0]}}}', NULL, NULL, NULL, NULL, '[]', NULL, '2026-11-21 13:37:40.012000');
INSERT INTO test_readings ("id", "export_id", "data_set_id", "network_digest", "result", "created_at", "refinement_id") VALUES ('rea_01m7z57bba57c3xzbtwdbd8txe', 'exp_01m7z57avv0prtpg9jnkvv2t13', 'dat_01m7z57aj3ft87pjhqkg8jvfqs', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '{"top1_percent":98.5}', '2026-11-21 13:37:39.178000', NULL);
